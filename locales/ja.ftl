# 日本語の画面。

## Conversation

you = あなた
assistant = Parlance
conversation = 会話
message = メッセージ
send = 送信
stop = 停止
attach = テキストファイルを添付
remove = 取り除く
not-a-text = { $name } はテキストでないか、{ $limit } を超えています。
waiting-for-model = モデルを待っています
reading-prompt = 読んでいます、{ $percent } %
thinking = 考えています…
thought-for = { $time } 考えました
answer-begins = 回答を書いています。
answer-is-there = 回答ができました。
cut-off = 回答が終わる前にページが閉じられました。
answered-elsewhere = 別のタブで回答しています。
ended-at-limit = 上限で打ち切り
ended-by-user = 停止
token-count = { $count } トークン
tokens-per-second = { $rate } トークン/秒
answer-details = 入力 { $prompt } トークン（うち { $cached } はキャッシュ）、最初のトークンまで { $seconds } 秒
copy = コピー
copied = コピーしました
download = ダウンロード
edit = 編集
edit-message = メッセージを編集
ask-again = もう一度聞く
regenerate = 別の回答
continue = 続ける
sources = 出典
about-tokens = 約 { $count } トークン
exact-tokens = { $count } トークン
read-aloud = 読み上げる
delete = 削除
previous-branch = 前の版
next-branch = 次の版
branch-place = { $place } / { $count }
message-deleted = メッセージとその続きを削除しました。
fine-print = この端末で動きます。書いたものは外に出ません。
welcome-title = 何でも聞いてください。ここだけの話です。
welcome-text = Parlance はこのタブの中、あなたの GPU で言語モデルを動かします。アカウントもサーバーもなく、誰も聞いていません。
suggestion-fact = フランスの首都はどこですか？
suggestion-explain = 空が青い理由を二文で説明してください
suggestion-write = 海の俳句を書いてください

## Conversations

conversations = 会話
new-chat = 新しい会話
search-conversations = 会話を検索
no-conversations = 会話はここに並びます。
nothing-found = 見つかりませんでした。
pinned = ピン留め
last-day = 過去 24 時間
last-week = 過去 7 日
last-month = 過去 30 日
older = それ以前
more = その他
rename = 名前を変える
title = 題名
pin = ピン留めする
unpin = ピンを外す
move-to-folder = フォルダーへ移す
folder = フォルダー
export-markdown = Markdown で書き出す
export-json = JSON で書き出す
conversation-deleted = 会話を削除しました。
conversations-deleted = すべての会話を削除しました。
undo = 元に戻す

## Models

model = モデル
models = モデル
no-model = モデルなし
loading = 読み込み中…
choose-model = モデルを選ぶ
all-models = すべてのモデル
demo-model = お試しモデル
demo-model-text = SmolLM2 135M Instruct、98 MB：小さく速い、最初の一歩に。
demo-model-offer = 98 MB の小さなお試しモデルです。最初のメッセージで、または今すぐ読み込みます：
load-model = モデルを読み込む
load = 読み込む
unload = メモリから外す
look = 調べる
use-model = 使う
resume = 再開
pause = 一時停止
from-address = アドレスから
from-address-text = GGUF ファイル、または Hugging Face の 所有者/リポジトリ/ファイル.gguf。読み込む前に内容がわかります。
not-an-address = ファイルのアドレスではありません。
from-device = この端末から
choose-and-remember = 選んで覚えておく
from-device-text = ページのどこにでもドロップできます。
model-details = GPU に { $gpu }、そのほか最大 { $memory } · コンテキスト { $tokens } トークン · { $seconds } 秒で読み込み · { $adapter }
model-details-cpu = { $gpu } を読み込み、最大 { $memory } を使用 · コンテキスト { $tokens } トークン · { $seconds } 秒で読み込み · { $adapter }
idle-unload = 使わないときメモリを空ける
never = しない
after-time = { $time } 後
opening-gpu = GPU を開いています
downloading-model = モデルをダウンロードしています
uploading-model = モデルを GPU に載せています
getting-ready = 準備しています
loading-model = モデルを読み込んでいます
part-of = { $part } / { $whole }
time-left = 残り { $time }
load-with-context = コンテキスト { $tokens } トークンで読み込む
plan-for = { $tokens } トークンで見積もる
try-again = もう一度試す
computes-on-cpu = 使える GPU が見つからないため CPU で計算します。回答は遅くなります。
runs-on-cpu = GPU が使えないため、モデルはプロセッサで動きます（遅くなります）。
compute-on = 計算に使うもの
compute-auto = 自動
compute-gpu = GPU（WebGPU）
compute-cpu = プロセッサ
small-cache = 会話を GPU メモリの半分で保持する（8 ビット：精度は少し下がる）
reading-header = 内容を読んでいます…
parameters = { $count } パラメーター
in-files = { $count } 個のファイル
takes-memory = GPU メモリを { $total } 使います：重み { $weights }、{ $tokens } トークンのコンテキスト { $context }、計算 { $scratch }。
context = コンテキスト
context-of = コンテキスト { $tokens } トークン
cannot-chat = このモデルは文章をベクトルにするもので、会話はできません。別のモデルを選んでください。
is-here = すでにこの端末にあります。
partly-here = うち { $size } はすでにここにあります。
room-is-missing = 保存には { $missing } 必要ですが、空きは { $free } だけです。読み込みますが保存はしません。
room-is-there = 保存には空き { $free } のうち { $missing } を使います。
all-families = すべて
families = 系列
filter-models = 名前・系列・ライセンスで絞る
add-model = モデルを加える
no-catalogue = モデルの一覧を読めませんでした。アドレスかファイルから加えてください。
needs-memory = 約 { $size } 必要
fit-good = この端末で動きます
fit-tight = この端末で動くかもしれません
fit-too-large = この端末には大きすぎます
fit-unknown = このブラウザーはメモリの量を教えません
about-bundled = このページに付属し、通信なしで動きます。最初の一歩に。
about-tiny = ほとんど何でも動きます。短い文章と簡単な質問に。
about-small = 電話や古いノートパソコンで、日々の質問に。
about-medium = ノートパソコンで良い回答を。
about-large = グラフィックスカードのある機械で最良の回答を。
about-thinks = 考えてから答えます。計算と論理が得意です。
about-code = プログラムを書き、説明します。
about-tools = ツールを呼び、指示によく従います。
about-open = 学習データとコードも公開されています。

## Storage

storage = この端末の中
looking = 調べています…
is-persisted = 削除するまでブラウザーが保管します。
is-not-persisted = ディスクがいっぱいになるとブラウザーが削除することがあります。
persist = 保管する
import-title = ファイルの写しを保管
import-text = ディスクの GGUF ファイルを、次回もここにあるように。
room-used = このサイトに許された { $quota } のうち { $used } を使用。
no-kept-models = まだモデルはありません。最初に読み込んだものがここに残ります。
partly-kept = { $done } / { $total }、読み込むと残りを取得します
used-ago = { $time } 前に使用
never-used = 未使用
is-intact = 正常です。
is-damaged = 壊れています。削除して読み込み直してください。
is-being-read = 読んでいます…
checksum-verified = チェックサム確認済み
verify = 検査
delete-for-good = 完全に削除
cancel = 取り消す

## Settings

settings = 設定
pages = ページ
chat = チャット
looks = 画面
language = 言語
language-of-browser = ブラウザーに合わせる
theme = 配色
theme-system = システムに合わせる
theme-light = 明るい
theme-dark = 暗い
compact = 詰める：行の間を狭く
enter-sends = Enter で送信、Shift+Enter で改行。オフでは Ctrl+Enter で送信。
sampling = 回答の選び方
preset-precise = 正確
preset-balanced = 標準
preset-creative = 創造的
temperature = 温度
temperature-help = 言葉選びの大胆さ。0 は常に最もありそうな語。
top-p = Top-p
top-p-help = 合わせてこの確率に達する上位の語だけ。1 はすべて。
top-k = Top-k
top-k-help = 上位のこの数の語だけ。0 はすべて。
min-p = Min-p
min-p-help = 最もありそうな語に比べ、この割合に満たない語を除きます。
repetition-penalty = 繰り返しの抑制
repetition-penalty-help = 使った語を出にくくします。1 は変化なし。小さなモデルには少し必要です。
max-tokens = 回答の最大トークン数
max-tokens-help = トークンは語かその一部です。空ならコンテキストの許す限り。
seed = シード
seed-help = 同じ数なら同じ質問に同じ回答。空なら毎回違います。
system-prompt = モデルへの指示
system-prompt-text = 会話の前にモデルへ伝えること。
system-prompt-example = あなたは親切な助手です。短く答えてください。
thinks = 先に考えられるモデルは考える
uses-tools = モデルは電卓と時計を使えます。呼び出しは回答とともに示します。
guesses-ahead = 先読み：会話の繰り返しになる部分を速く出す
embedding-model = 長いファイルを探すモデル
embedding-model-text = コンテキストに入らないファイルからは質問に関わる箇所を探します。埋め込みモデルがあれば意味で、なければ語で。
personas = 役柄
personas-text = 切り替える指示。上に表示されます。
prompts = 定型文
prompts-text = よく使う文。/ と名前の先頭を書くと挿入できます。二重の波括弧の中は選択され、置き換えられます。
name = 名前
text = 文章
add = 加える
data = あなたのデータ
data-text = 会話はこのブラウザーにだけ保管されます。
export-all-json = すべて JSON で書き出す
export-all-markdown = すべて Markdown で書き出す
import-conversations = 会話を取り込む
import-conversations-text = Parlance、ChatGPT、Open WebUI が書き出した JSON ファイル。
imported = { $added } 件の会話を加えました。{ $known } 件はすでにありました。
delete-all = すべての会話を削除

## Performance

performance = 性能
speed-of-answers = 回答ごとの毎秒トークン数
no-answers = この訪問の回答がここに表示されます。
no-model-to-measure = モデルがありません。速さとメモリがここに表示されます。
last-answer = 最後の回答：{ $rate } トークン/秒、入力 { $prefill } トークン/秒、最初のトークンまで { $seconds } 秒
adapter = GPU
features = 使用中の追加機能
weights = GPU 上の重み
kv-cache = GPU 上の KV キャッシュ
worker-memory = GPU 以外のメモリ、最大
benchmark = 測定
benchmark-text = 64 トークンの回答を三つ求め、中央値を示します。
run-benchmark = 測る
benchmark-result = { $rate } トークン/秒、入力 { $prefill } トークン/秒、最初のトークンまで { $seconds } 秒
copy-result = 結果をコピー

## Playground

playground = 試験場
playground-text = 決まった形の回答を求めます。必ず JSON スキーマに合います。
playground-question = フランスの首都を説明してください。
question = 質問
json-schema = JSON スキーマ
ask = 聞く
answer = 回答
instructions = この会話への指示
instructions-text = この会話でモデルに最初に伝えること。空なら設定に従います。
save = 保存

## Shortcuts

shortcuts = キーボードショートカット
shortcut-help = この一覧を表示
shortcut-search = 会話を検索
shortcut-sidebar = 会話の一覧を開閉
shortcut-stop = 回答を停止
shortcut-prompts = 定型文を挿入
shortcut-newline = 改行

## Around

close = 閉じる
page-failed = ページに不具合が起きて止まりました。会話はすべて保管されています。再読み込みで続けられます。
model-recovered = 一時的な問題が起きました（{ $message }）。モデルを読み込み直して続けます。
engine-restarted = エンジンが停止しましたが（{ $message }）、再起動しました。失われたものはありません。
reload = 再読み込み
new-version = Parlance の新しい版があります。
not-found-title = このページはありません
not-found-text = アドレスの打ち間違いかもしれません。
go-to-chat = チャットへ
help-network = アドレスと接続を確かめて、もう一度試してください。別のサイトはこのサイトに読み取りを許す必要があります（CORS）。
help-not-allowed = Parlance は自身のサイトと、許可されたホストにだけ接続します。
allow-source = { $host } を許可してページを開き直す
allowed-elsewhere = このホストは許可されましたが、それより前に開かれた Parlance のタブがあります。閉じるか開き直してください。
allowed-sources = 接続
allowed-sources-text = このサイト以外でモデルを取得してよいホスト。会話はどこにも送られません。
forget = 取り消す
help-other-model = 別のモデルかお試しモデルを選んでください。
help-storage = この端末にあるものを見る
help-new-chat = 新しい会話を始めると余裕ができます。
webgpu-intro = Parlance は WebGPU を通じて GPU で計算します。次のブラウザーにあります：
webgpu-hint = お使いのブラウザーが含まれるなら、ハードウェアアクセラレーションと、https か localhost で開いていることを確かめてください。
webgpu-chrome = Linux では 144 以降。まだ無効なら chrome://flags/#enable-unsafe-webgpu を有効に。
webgpu-safari = システムを更新してください。ブラウザーも一緒に更新されます。
webgpu-firefox = その他では about:config で dom.webgpu.enabled を true にするか、Chrome をお使いください。

## Quantities

millions = { $number } 百万
billions = { $number } 十億
under-a-second = 1 秒未満
days = { $count } 日
