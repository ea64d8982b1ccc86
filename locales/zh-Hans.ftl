# 简体中文界面。

## Conversation

you = 你
assistant = Parlance
conversation = 对话
message = 消息
send = 发送
stop = 停止
attach = 附加文本文件
remove = 移除
not-a-text = { $name } 不是文本，或超过 { $limit }。
waiting-for-model = 正在等待模型
reading-prompt = 正在阅读，{ $percent } %
thinking = 思考中…
thought-for = 思考了 { $time }
answer-begins = 正在写回答。
answer-is-there = 回答已完成。
cut-off = 回答完成前页面被关闭。
answered-elsewhere = 正在另一个标签页中回答。
ended-at-limit = 到达上限而截断
ended-by-user = 已停止
token-count = { $count } 个词元
tokens-per-second = { $rate } 词元/秒
answer-details = 输入 { $prompt } 个词元（其中 { $cached } 个已缓存），{ $seconds } 秒后出现第一个词元
copy = 复制
copied = 已复制
download = 下载
edit = 编辑
edit-message = 编辑消息
ask-again = 重新提问
regenerate = 换一个回答
continue = 继续
sources = 来源
about-tokens = 约 { $count } 个词元
exact-tokens = { $count } 个词元
read-aloud = 朗读
delete = 删除
previous-branch = 上一个版本
next-branch = 下一个版本
branch-place = { $place } / { $count }
message-deleted = 已删除该消息及其后的内容。
fine-print = 在本机运行。你写的内容不会离开。
welcome-title = 尽管问，内容只留在这里。
welcome-text = Parlance 在这个标签页里、用你自己的 GPU 运行语言模型：没有账号，没有服务器，没有人在听。
suggestion-fact = 法国的首都是哪里？
suggestion-explain = 用两句话解释天空为什么是蓝色的
suggestion-write = 写一首关于大海的俳句

## Conversations

conversations = 对话
new-chat = 新对话
search-conversations = 搜索对话
no-conversations = 你的对话会列在这里。
nothing-found = 没有找到。
pinned = 已置顶
last-day = 最近 24 小时
last-week = 最近 7 天
last-month = 最近 30 天
older = 更早
more = 更多
rename = 重命名
title = 标题
pin = 置顶
unpin = 取消置顶
move-to-folder = 移到文件夹
folder = 文件夹
export-markdown = 导出为 Markdown
export-json = 导出为 JSON
conversation-deleted = 对话已删除。
conversations-deleted = 所有对话已删除。
undo = 撤销

## Models

model = 模型
models = 模型
no-model = 没有模型
loading = 正在加载…
choose-model = 选择模型
all-models = 所有模型
demo-model = 试用模型
demo-model-text = SmolLM2 135M Instruct，98 MB：小而快，适合初次体验。
demo-model-offer = 98 MB 的小型试用模型。随第一条消息加载，或立即加载：
load-model = 加载模型
load = 加载
unload = 卸载
look = 查看
use-model = 使用
resume = 继续
pause = 暂停
from-address = 来自网址
from-address-text = GGUF 文件，或 Hugging Face 上的 所有者/仓库/文件.gguf。加载前你会看到它是什么。
not-an-address = 这不是文件的网址。
from-device = 来自本机
choose-and-remember = 选择并记住
from-device-text = 或把它拖到页面任意位置。
model-details = GPU 上 { $gpu }，此外最多 { $memory } · 上下文 { $tokens } 个词元 · 加载用时 { $seconds } 秒 · { $adapter }
model-details-cpu = 已读取 { $gpu }，最多占用 { $memory } · 上下文 { $tokens } 个词元 · 加载用时 { $seconds } 秒 · { $adapter }
idle-unload = 不用时释放内存
never = 从不
after-time = { $time } 后
opening-gpu = 正在打开 GPU
downloading-model = 正在下载模型
uploading-model = 正在把模型放上 GPU
getting-ready = 正在准备
loading-model = 正在加载模型
part-of = { $part } / { $whole }
time-left = 剩余 { $time }
load-with-context = 以 { $tokens } 个词元的上下文加载
plan-for = 按 { $tokens } 个词元规划
try-again = 重试
computes-on-cpu = 没有找到可用的 GPU，本浏览器用 CPU 计算，回答会很慢。
runs-on-cpu = 此处没有 GPU：模型在处理器上运行，会慢一些。
compute-on = 计算设备
compute-auto = 自动
compute-gpu = GPU（WebGPU）
compute-cpu = 处理器
small-cache = 用一半的 GPU 内存保存对话（8 位：精度略低）
reading-header = 正在读取…
parameters = { $count } 参数
in-files = 共 { $count } 个文件
takes-memory = 需要 { $total } GPU 内存：权重 { $weights }，{ $tokens } 个词元的上下文 { $context }，计算 { $scratch }。
context = 上下文
context-of = 上下文 { $tokens } 个词元
cannot-chat = 这个模型把文本变成向量，不能对话。请选择另一个。
is-here = 已在本机。
partly-here = 其中 { $size } 已在这里。
room-is-missing = 保存需要 { $missing }，而浏览器只剩 { $free }：会加载，但不会保存。
room-is-there = 保存需要 { $missing }，可用 { $free }。
all-families = 全部
families = 系列
filter-models = 按名称、系列、许可筛选
add-model = 添加模型
no-catalogue = 无法读取模型列表。请通过网址或文件添加。
needs-memory = 约需 { $size }
fit-good = 适合本机
fit-tight = 也许适合本机
fit-too-large = 对本机太大
fit-unknown = 浏览器没有说明内存大小
about-bundled = 随本页附带，无需网络。适合初次体验。
about-tiny = 几乎任何设备都能运行。适合短文本和简单问题。
about-small = 适合手机或旧笔记本上的日常问题。
about-medium = 在笔记本上给出不错的回答。
about-large = 最好的回答，需要有显卡的电脑。
about-thinks = 先思考再回答。擅长计算和逻辑。
about-code = 编写并解释程序。
about-tools = 会调用工具，严格遵循指令。
about-open = 训练数据和代码也是公开的。

## Storage

storage = 本机存储
looking = 正在查看…
is-persisted = 浏览器会保留这些文件，直到你删除。
is-not-persisted = 磁盘快满时浏览器可能删除这些文件。
persist = 保留
import-title = 保存文件副本
import-text = 磁盘上的 GGUF 文件，下次也在这里。
room-used = 浏览器给本站的 { $quota } 中已用 { $used }。
no-kept-models = 还没有保存模型。你加载的第一个会留在这里。
partly-kept = { $done } / { $total }，加载即可补全
used-ago = { $time }前使用
never-used = 从未使用
is-intact = 完好。
is-damaged = 已损坏。请删除后重新加载。
is-being-read = 正在读取…
checksum-verified = 校验和已验证
verify = 校验
delete-for-good = 永久删除
cancel = 取消

## Settings

settings = 设置
pages = 页面
chat = 聊天
looks = 界面
language = 语言
language-of-browser = 跟随浏览器
theme = 主题
theme-system = 跟随系统
theme-light = 浅色
theme-dark = 深色
compact = 紧凑：行距更小
enter-sends = 回车发送，Shift+回车换行。关闭后用 Ctrl+回车发送。
sampling = 如何选择回答
preset-precise = 精确
preset-balanced = 均衡
preset-creative = 创意
temperature = 温度
temperature-help = 用词有多大胆。0 总是取最可能的词。
top-p = Top-p
top-p-help = 只考虑合计达到此概率的最可能的词。1 考虑全部。
top-k = Top-k
top-k-help = 只考虑这么多最可能的词。0 考虑全部。
min-p = Min-p
min-p-help = 去掉可能性不及最可能的词此比例的词。
repetition-penalty = 重复惩罚
repetition-penalty-help = 让用过的词更不易出现。1 不变；小模型需要一点。
max-tokens = 最长回答（词元）
max-tokens-help = 词元是一个词或其一部分。留空则以上下文为限。
seed = 种子
seed-help = 相同的数对相同的问题给出相同的回答。留空则每次不同。
system-prompt = 给模型的指示
system-prompt-text = 每次对话之前告诉模型的话。
system-prompt-example = 你是一个乐于助人的助手。请简短回答。
thinks = 会先思考的模型先思考
uses-tools = 模型可以使用计算器和时钟。调用会与回答一同显示。
guesses-ahead = 提前猜测：与对话重复的内容更快生成
embedding-model = 搜索长文件的模型
embedding-model-text = 放不进上下文的文件会被搜索，找出与问题有关的段落：有嵌入模型时按含义，没有时按词语。
personas = 角色
personas-text = 可切换的指示，显示在上方。
prompts = 提示词
prompts-text = 常用的文本。输入 / 和名称开头即可插入。双花括号中的内容会被选中，以便替换。
name = 名称
text = 文本
add = 添加
data = 你的数据
data-text = 对话只保存在这个浏览器里。
export-all-json = 全部导出为 JSON
export-all-markdown = 全部导出为 Markdown
import-conversations = 导入对话
import-conversations-text = Parlance、ChatGPT 或 Open WebUI 导出的 JSON 文件。
imported = 添加了 { $added } 个对话，{ $known } 个已存在。
delete-all = 删除所有对话

## Performance

performance = 性能
speed-of-answers = 每次回答的词元/秒
no-answers = 本次访问的回答会显示在这里。
no-model-to-measure = 没有加载模型。它的速度和内存会显示在这里。
last-answer = 上次回答：{ $rate } 词元/秒，输入 { $prefill } 词元/秒，{ $seconds } 秒后出现第一个词元
adapter = GPU
features = 使用中的可选功能
weights = GPU 上的权重
kv-cache = GPU 上的 KV 缓存
worker-memory = GPU 之外的内存，最多
benchmark = 基准测试
benchmark-text = 让模型回答三次，每次 64 个词元，并给出中位数。
run-benchmark = 测量
benchmark-result = { $rate } 词元/秒，输入 { $prefill } 词元/秒，{ $seconds } 秒后出现第一个词元
copy-result = 复制结果

## Playground

playground = 试验场
playground-text = 要求某种形式的回答：它总是符合 JSON 模式。
playground-question = 描述法国的首都。
question = 问题
json-schema = JSON 模式
ask = 提问
answer = 回答
instructions = 本对话的指示
instructions-text = 在本对话中首先告诉模型的话。留空则用设置中的。
save = 保存

## Shortcuts

shortcuts = 键盘快捷键
shortcut-help = 显示此列表
shortcut-search = 搜索对话
shortcut-sidebar = 显示或隐藏对话列表
shortcut-stop = 停止回答
shortcut-prompts = 插入提示词
shortcut-newline = 换行

## Around

close = 关闭
page-failed = 页面自身出错而停止。所有对话都已保存，重新加载即可继续。
model-recovered = 刚才出了点问题（{ $message }）。模型已重新加载并继续。
engine-restarted = 引擎已停止（{ $message }）并重新启动。没有丢失任何内容。
reload = 重新加载
new-version = Parlance 有新版本。
not-found-title = 页面不存在
not-found-text = 网址可能有误。
go-to-chat = 前往聊天
help-network = 请检查网址和网络后重试。其他网站须允许本站读取其文件（CORS）。
help-not-allowed = Parlance 只连接自己的网站和你允许的主机。
allow-source = 允许 { $host } 并重新打开页面
allowed-elsewhere = 此主机现已允许，但另一个 Parlance 标签页是在此之前打开的。请关闭或重新打开它。
allowed-sources = 连接
allowed-sources-text = 除本站外，可以获取模型的主机。对话不会发送到任何主机。
forget = 移除
help-other-model = 请选择另一个模型，或试用模型。
help-storage = 查看本机保存的内容
help-new-chat = 开始新对话以腾出空间。
webgpu-intro = Parlance 通过 WebGPU 在你的 GPU 上计算，以下浏览器支持：
webgpu-hint = 如果你的浏览器在其中，请检查硬件加速已开启，且页面通过 https 或 localhost 打开。
webgpu-chrome = Linux 上需 144 或更高；若仍未开启，打开 chrome://flags/#enable-unsafe-webgpu 并启用。
webgpu-safari = 请更新系统，浏览器随之更新。
webgpu-firefox = 其他系统请打开 about:config 将 dom.webgpu.enabled 设为 true，或使用 Chrome。

## Quantities

millions = { $number } 百万
billions = { $number } 十亿
under-a-second = 不到一秒
days = { $count } 天
