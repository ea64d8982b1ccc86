# الواجهة بالعربية.

## Conversation

you = أنت
assistant = Parlance
conversation = محادثة
message = رسالة
send = إرسال
stop = إيقاف
attach = إرفاق ملفات نصية
remove = إزالة
file-is-image = ‏{ $name } صورة. لا يمكن إرفاق سوى النصوص.
file-is-pdf = ‏{ $name } ملف PDF ولا يمكن قراءة نصه هنا. احفظه ملفًّا نصيًّا، أو الصق النص.
file-is-binary = ‏{ $name } ليس ملفًّا نصيًّا.
file-not-utf8 = ‏{ $name } ليس بترميز UTF-8. احفظه بترميز UTF-8 ثم أرفقه مرة أخرى.
file-too-large = حجم { $name } هو { $size }. يمكن أن تبلغ ملفات السؤال الواحد معًا { $limit }.
file-unreadable = تعذّرت قراءة { $name }.
waiting-for-model = في انتظار النموذج
reading-prompt = يقرأ، { $percent } %
thinking = يفكر…
thought-for = فكّر { $time }
answer-begins = تُكتب الإجابة الآن.
answer-is-there = الإجابة جاهزة.
cut-off = أُغلقت الصفحة قبل اكتمال الإجابة.
answered-elsewhere = تُكتب الإجابة في تبويب آخر.
ended-at-limit = قُطعت عند الحد
ended-by-user = أُوقفت
context-mark = الرسائل الأقدم فوق هذا الخط لم تعد تُرسل إلى النموذج.
token-count = { $count ->
    [zero] لا رموز
    [one] رمز واحد
    [two] رمزان
    [few] { $count } رموز
   *[other] { $count } رمزًا
}
tokens-per-second = { $rate } رمز/ث
answer-details = { $prompt } رمزًا للسؤال (منها { $cached } محفوظة)، أول رمز بعد { $seconds } ث
copy = نسخ
copied = نُسخ
download = تنزيل
edit = تعديل
edit-message = تعديل الرسالة
ask-again = اسأل من جديد
regenerate = إجابة أخرى
continue = متابعة
sources = المصادر
about-tokens = نحو { $count } رمز
exact-tokens = { $count } رمز
read-aloud = قراءة بصوت
delete = حذف
previous-branch = النسخة السابقة
next-branch = النسخة التالية
branch-place = { $place } من { $count }
message-deleted = حُذفت الرسالة وما بعدها.
fine-print = يعمل على هذا الجهاز. لا يغادره شيء مما تكتب.
welcome-title = اسأل ما شئت. يبقى هنا.
welcome-text = يشغّل Parlance نموذجًا لغويًّا داخل هذا التبويب على معالج الرسوميات لديك: بلا حساب ولا خادم ولا أحد يستمع.
welcome-text-cpu = يشغّل Parlance نموذجًا لغويًا داخل هذا التبويب على معالج جهازك: بلا حساب، وبلا خادم، ولا أحد يستمع.
jump-to-latest = الانتقال إلى الأحدث
drop-here = أفلت الملفات هنا: تُرفق النصوص بالرسالة، ويُفحص ملف GGUF بوصفه نموذجًا.
suggestion-fact = ما عاصمة فرنسا؟
suggestion-explain = اشرح في جملتين لماذا السماء زرقاء
suggestion-write = اكتب قصيدة هايكو عن البحر

## Conversations

conversations = المحادثات
new-chat = محادثة جديدة
search-conversations = البحث في المحادثات
no-conversations = ستظهر محادثاتك هنا.
nothing-found = لا نتائج.
pinned = المثبتة
last-day = آخر 24 ساعة
last-week = آخر 7 أيام
last-month = آخر 30 يومًا
older = أقدم
more = المزيد
rename = إعادة تسمية
title = العنوان
pin = تثبيت
unpin = إلغاء التثبيت
move-to-folder = نقل إلى مجلد
folder = مجلد
export-markdown = تصدير بصيغة Markdown
export-json = تصدير بصيغة JSON
conversation-deleted = حُذفت المحادثة.
conversations-deleted = حُذفت كل المحادثات.
undo = تراجع

## Models

model = النموذج
models = النماذج
no-model = لا نموذج
loading = جارٍ التحميل…
choose-model = اختر نموذجًا
all-models = كل النماذج
demo-model = نموذج تجريبي
demo-model-text = ‏SmolLM2 135M Instruct، ‏98 MB: صغير وسريع، مناسب للتجربة الأولى.
demo-model-offer = ‏98 MB، نموذج تجريبي صغير. يُحمَّل مع أول رسالة، أو الآن:
load-model = تحميل النموذج
linked-model = يطلب رابط النموذج { $name } من { $host }.
linked-model-of-size = يطلب رابط النموذج { $name } من { $host }، نحو { $size }.
linked-model-replaces = سيحل محل { $name } الذي قد تستخدمه تبويبات أخرى.
load = تحميل
unload = تفريغ
look = معاينة
use-model = استخدام
resume = استئناف
pause = إيقاف مؤقت
from-address = من عنوان
from-address-text = ملف GGUF، أو ملف على Hugging Face بصيغة owner/repository/file.gguf. ترى ما هو قبل تحميله.
not-an-address = هذا ليس عنوان ملف.
from-device = من هذا الجهاز
choose-and-remember = اختر وتذكّر
from-device-text = أو أسقطه في أي مكان من الصفحة.
model-details = { $gpu } على معالج الرسوميات، و{ $memory } على الأكثر خارجه · سياق { $tokens } رمز · حُمّل في { $seconds } ث · { $adapter }
model-details-cpu = قُرئ { $gpu }، وتُستخدم { $memory } على الأكثر · سياق { $tokens } رمز · حُمّل في { $seconds } ث · { $adapter }
idle-unload = تحرير ذاكرته عند عدم الاستخدام
never = أبدًا
after-time = بعد { $time }
opening-gpu = فتح معالج الرسوميات
downloading-model = تنزيل النموذج
uploading-model = نقل النموذج إلى معالج الرسوميات
getting-ready = تجهيز
loading-model = تحميل النموذج
part-of = { $part } من { $whole }
time-left = بقي { $time }
load-with-context = تحميل بسياق { $tokens } رمز
plan-for = تخطيط لـ { $tokens } رمز
try-again = حاول مجددًا
computes-on-cpu = يحسب هذا المتصفح على المعالج المركزي لأنه لم يجد معالج رسوميات متاحًا. ستكون الإجابات بطيئة.
runs-on-cpu = لا معالج رسوميات هنا: يعمل النموذج على المعالج، أبطأ.
computes-plainly = جزء من حسابات معالج الرسوميات خاطئ في هذا المتصفح، لذا يحسب Parlance هنا بطريقة أبسط: الإجابات صحيحة لكنها أبطأ. قد يفيد تحديث المتصفح أو تعريف بطاقة الرسوميات.
gpu-computes-wrongly = يحسب معالج الرسوميات حسابًا خاطئًا في هذا المتصفح، لذا يعمل النموذج على المعالج، أبطأ. قد يفيد تحديث المتصفح أو تعريف بطاقة الرسوميات.
compute-on = الحساب على
compute-auto = تلقائي
compute-gpu = معالج الرسوميات (WebGPU)
compute-cpu = المعالج
small-cache = حفظ المحادثات في نصف ذاكرة معالج الرسوميات (8 بت: دقة أقل قليلًا)
reading-header = تُقرأ المعلومات…
parameters = { $count } معامل
in-files = في { $count } ملفات
takes-memory = يشغل { $total } من ذاكرة الرسوميات: { $weights } للأوزان، و{ $context } لسياق { $tokens } رمز، و{ $scratch } للحساب.
context = السياق
context-of = سياق { $tokens } رمز
cannot-chat = هذا النموذج يحوّل النصوص إلى متجهات ولا يستطيع المحادثة. اختر غيره.
is-here = موجود على هذا الجهاز.
partly-here = { $size } منه موجود هنا.
room-is-missing = يحتاج حفظه { $missing }، ولم يبق للمتصفح سوى { $free }: سيُحمَّل ولن يُحفظ.
room-is-there = يحتاج حفظه { $missing } من { $free } متاحة.
all-families = الكل
families = العائلات
filter-models = تصفية بالاسم أو العائلة أو الرخصة
add-model = إضافة نموذج
no-catalogue = تعذّرت قراءة قائمة النماذج. أضف نموذجًا بعنوانه أو من ملف.
needs-memory = يحتاج نحو { $size }
fit-good = مناسب لهذا الجهاز
fit-tight = قد يناسب هذا الجهاز
fit-too-large = أكبر من هذا الجهاز
fit-unknown = لا يذكر هذا المتصفح مقدار الذاكرة
about-bundled = يأتي مع هذه الصفحة ويعمل بلا شبكة. للتجربة الأولى.
about-tiny = يعمل على أي جهاز تقريبًا. للنصوص القصيرة والأسئلة البسيطة.
about-small = للأسئلة اليومية على هاتف أو حاسوب قديم.
about-medium = إجابات جيدة على حاسوب محمول.
about-large = أفضل الإجابات، لحاسوب فيه بطاقة رسوميات.
about-thinks = يفكر قبل أن يجيب. جيد في الحساب والمنطق.
about-code = يكتب البرامج ويشرحها.
about-tools = يستدعي الأدوات ويتبع التعليمات بدقة.
about-open = بيانات تدريبه وشيفرته متاحة أيضًا.

## Storage

storage = على هذا الجهاز
looking = جارٍ البحث…
is-persisted = يحتفظ المتصفح بهذه الملفات حتى تحذفها.
is-not-persisted = قد يحذف المتصفح هذه الملفات عند امتلاء القرص.
persist = الاحتفاظ بها
import-title = حفظ نسخة من ملف
import-text = ملف GGUF من قرصك، ليكون هنا في المرة القادمة.
room-used = استُخدم { $used } من { $quota } يمنحها المتصفح لهذا الموقع.
no-kept-models = لا نماذج محفوظة بعد. سيبقى هنا أول نموذج تحمّله.
partly-kept = { $done } من { $total }؛ يكتمل عند تحميله
used-ago = استُخدم قبل { $time }
never-used = لم يُستخدم
is-intact = سليم.
is-damaged = تالف. احذفه وحمّله من جديد.
is-being-read = تُقرأ…
checksum-verified = تم التحقق من المجموع
verify = تحقق
delete-for-good = حذف نهائي
cancel = إلغاء

## Settings

settings = الإعدادات
pages = الصفحات
chat = المحادثة
looks = الواجهة
language = اللغة
language-of-browser = لغة المتصفح
theme = المظهر
theme-system = كالنظام
theme-light = فاتح
theme-dark = داكن
compact = مضغوط: مسافة أقل بين الأسطر
enter-sends = ‏Enter يرسل وShift+Enter سطر جديد. وإلا فإن Ctrl+Enter يرسل.
sampling = كيف تُختار الإجابات
preset-precise = دقيق
preset-balanced = متوازن
preset-creative = مبدع
temperature = الحرارة
temperature-help = مدى جرأة اختيار الكلمات. 0 يأخذ دائمًا الأرجح.
top-p = Top-p
top-p-help = الكلمات الأرجح التي تبلغ معًا هذا الاحتمال فقط. 1 يأخذها كلها.
top-k = Top-k
top-k-help = هذا العدد من الكلمات الأرجح فقط. 0 يأخذها كلها.
min-p = Min-p
min-p-help = يستبعد الكلمات الأقل احتمالًا من هذه النسبة من الأرجح.
repetition-penalty = عقوبة التكرار
repetition-penalty-help = تجعل الكلمات المستخدمة أقل احتمالًا. 1 لا يغيّر شيئًا؛ والنماذج الصغيرة تحتاج القليل.
max-tokens = أطول إجابة بالرموز
max-tokens-help = الرمز كلمة أو جزء منها. فارغ: ما دام في السياق متسع.
seed = البذرة
seed-help = العدد نفسه يعطي الإجابة نفسها للسؤال نفسه. فارغ: إجابة مختلفة كل مرة.
system-prompt = تعليمات للنموذج
system-prompt-text = ما يقال للنموذج قبل كل محادثة.
system-prompt-example = أنت مساعد مفيد. أجب بإيجاز.
thinks = النماذج القادرة على التفكير أولًا تفعل ذلك
uses-tools = يمكن للنماذج استخدام آلة حاسبة وساعة. تظهر استدعاءاتها مع الإجابة.
guesses-ahead = التخمين المسبق: ما يكرّر المحادثة يأتي أسرع
drops-oldest = في المحادثات الطويلة، إسقاط أقدم الأسئلة والإجابات عندما يمتلئ السياق. ويبيّن خط أيها أُسقط.
embedding-model = نموذج يبحث في الملفات الطويلة
embedding-model-text = الملفات التي لا يسعها السياق يُبحث فيها عن المقاطع المهمة للسؤال: بالمعنى مع نموذج تضمين، وبالكلمات من دونه.
personas = الشخصيات
personas-text = تعليمات للتبديل بينها. تُعرض في الأعلى.
prompts = القوالب
prompts-text = نصوص تحتاجها كثيرًا. اكتب / وبداية الاسم لإدراج نص. ما بين الأقواس المزدوجة يُحدَّد لتستبدله.
name = الاسم
text = النص
add = إضافة
data = بياناتك
data-text = تُحفظ المحادثات في هذا المتصفح وحده.
library-newer = استُخدم إصدار أحدث من Parlance في تبويب آخر. أعد تحميل هذه الصفحة للحصول عليه.
library-full = مساحة التخزين على هذا الجهاز ممتلئة: ما يقال الآن لا يُحفظ. احذف نموذجًا أو محادثات لا تحتاج إليها.
export-all-json = تصدير الكل بصيغة JSON
export-all-markdown = تصدير الكل بصيغة Markdown
import-conversations = استيراد محادثات
import-conversations-text = ملفات JSON صدّرها Parlance أو ChatGPT أو Open WebUI.
imported = { $added ->
    [zero] لم تُضف محادثات
    [one] أُضيفت محادثة واحدة
    [two] أُضيفت محادثتان
    [few] أُضيفت { $added } محادثات
   *[other] أُضيفت { $added } محادثة
}، وكانت { $known } موجودة.
delete-all = حذف كل المحادثات
delete-all-text = يحذف هذا كل المحادثات مع ملفاتها ومسوداتها، وما حُفظ من حساباتها. تبقى النماذج والإعدادات.

## Performance

performance = الأداء
speed-of-answers = الرموز في الثانية، إجابة بعد إجابة
no-answers = ستظهر هنا إجابات هذه الزيارة.
no-model-to-measure = لا نموذج محمّلًا. ستظهر هنا سرعته وذاكرته.
last-answer = آخر إجابة: { $rate } رمز/ث، وقُرئ السؤال بسرعة { $prefill } رمز/ث، وأول رمز بعد { $seconds } ث
adapter = معالج الرسوميات
features = الميزات الاختيارية المستخدمة
weights = الأوزان على معالج الرسوميات
kv-cache = ذاكرة KV على معالج الرسوميات
worker-memory = الذاكرة خارجه، على الأكثر
benchmark = قياس
benchmark-text = يطلب من النموذج ثلاث إجابات من 64 رمزًا ويعطي الوسيط.
run-benchmark = قِس
benchmark-result = { $rate } رمز/ث، وقُرئ السؤال بسرعة { $prefill } رمز/ث، وأول رمز بعد { $seconds } ث
copy-result = نسخ النتيجة

## Playground

playground = المختبر
playground-text = اطلب إجابة بصيغة معينة: توافق دائمًا مخطط JSON.
playground-question = صف عاصمة فرنسا.
question = السؤال
json-schema = مخطط JSON
ask = اسأل
answer = الإجابة
instructions = تعليمات لهذه المحادثة
instructions-text = ما يقال للنموذج أولًا في هذه المحادثة. إن تُرك فارغًا فالإعدادات هي المعتمدة.
save = حفظ

## Shortcuts

shortcuts = اختصارات لوحة المفاتيح
shortcut-help = عرض هذه القائمة
shortcut-search = البحث في المحادثات
shortcut-sidebar = إظهار المحادثات أو إخفاؤها
shortcut-stop = إيقاف الإجابة
shortcut-prompts = إدراج قالب
shortcut-newline = سطر جديد

## Around

close = إغلاق
page-failed = واجهت الصفحة خللًا وتوقفت. كل ما قيل محفوظ؛ أعد التحميل للمتابعة.
model-recovered = تعطّل شيء للحظة ({ $message }). حُمّل النموذج من جديد ويواصل العمل.
engine-restarted = توقّف المحرّك ({ $message }) وأُعيد تشغيله. لم يُفقد شيء.
reload = إعادة تحميل
new-version = نسخة جديدة من Parlance جاهزة.
not-found-title = هذه الصفحة غير موجودة
not-found-text = ربما كُتب العنوان خطأ.
go-to-chat = إلى المحادثة
help-network = تحقق من العنوان والاتصال ثم حاول مجددًا. يجب أن يسمح الموقع الآخر لهذا الموقع بقراءة ملفاته (CORS).
help-not-allowed = لا يتصل Parlance إلا بموقعه وبالمضيفين الذين سمحت بهم.
allow-source = اسمح بـ { $host } وأعد فتح الصفحة
allowed-elsewhere = هذا المضيف مسموح به الآن، لكن علامة تبويب أخرى من Parlance فُتحت قبل ذلك. أغلقها أو أعد فتحها.
allowed-sources = الاتصالات
allowed-sources-text = مضيفون يمكن لهذا الموقع جلب النماذج منهم إلى جانب نفسه. لا تُرسل المحادثات إلى أي منهم.
forget = إزالة
help-other-model = اختر نموذجًا آخر أو النموذج التجريبي.
help-storage = عرض ما هو محفوظ على هذا الجهاز
help-new-chat = ابدأ محادثة جديدة، أو دع الإعدادات تُسقط أقدم الرسائل.
webgpu-intro = يحسب Parlance على معالج الرسوميات عبر WebGPU، المتاح في هذه المتصفحات:
webgpu-hint = إن كان متصفحك منها فتأكد من تفعيل تسريع العتاد ومن فتح الصفحة عبر https أو localhost.
webgpu-chrome = على لينكس بدءًا من 144؛ وإن بقي معطّلًا فافتح chrome://flags/#enable-unsafe-webgpu وفعّله.
webgpu-safari = حدّث النظام: يأتي المتصفح معه.
webgpu-firefox = في غيرها افتح about:config واجعل dom.webgpu.enabled مساويًا true، أو استخدم Chrome.

## Failures

failure-no-webgpu = لا يوفّر هذا المتصفح WebGPU.
failure-no-gpu = لم يجد WebGPU معالج رسومات صالحًا للاستخدام ({ $detail }).
failure-http-status = تعذّر جلب النموذج: أجاب الخادم بالرمز { $status } عن { $url }.
failure-network = تعذّر جلب النموذج: { $detail }.
failure-bad-answer = تعذّر جلب النموذج: رد الخادم غير منطقي ({ $detail }).
failure-not-allowed = لا يجوز لهذه الصفحة الاتصال بـ { $host } لأن أحدًا لم يسمح بذلك بعد.
failure-changed = تعذّر جلب النموذج: تغيّر الملف في عنوانه أثناء ذلك. أعد المحاولة.
failure-damaged = النموذج الموجود على هذا الجهاز تالف. حُذف؛ حمّله من جديد.
failure-wrong-checksum = رُفض «{ $name }»: مجموع تحققه ليس ما يذكره عنوانه أو خادمه. لم يُحفظ منه شيء.
failure-unusable-copy = مجموع تحقق الملف الموجود على هذا الجهاز صحيح، لكن لا يمكن تحميل نموذج منه: { $detail }. لن يفيد تنزيله من جديد.
failure-bad-pin = ما يلي «#» في عنوان النموذج لا يمكن مقارنته: يجب أن يكون «sha256=» يليه لكل ملف من ملفات النموذج (عدد الملفات: { $files }) مجموع تحقق من 64 رقمًا سداسي عشري، تفصل بينها فواصل.
failure-not-gguf = هذا ليس ملف نموذج GGUF: فهو يبدأ بـ { $detail } لا بـ «GGUF».
failure-gguf-version = الإصدار { $version } من GGUF غير مدعوم؛ المدعوم هو الإصداران 2 و3.
failure-cut-short = ملف النموذج مبتور: حجمه { $length } ويحتاج إلى { $needed } على الأقل. نزّله من جديد.
failure-malformed = ملف النموذج تالف: { $detail }.
failure-missing-entry = ينقص ملف النموذج مدخل البيانات الوصفية «{ $name }» أو أن نوعه خاطئ.
failure-missing-tensor = ينقص ملف النموذج الموتّر «{ $name }».
failure-architecture = النماذج ذات البنية «{ $name }» غير مدعومة بعد.
failure-format = الموتّر «{ $tensor }» مخزّن بصيغة { $format }، وهي غير مدعومة بعد.
failure-tokenizer = لا يمكن استخدام مجزّئ الرموز الخاص بالنموذج: { $detail }.
failure-template = فشل قالب المحادثة الخاص بالنموذج: { $detail }.
failure-gpu = أبلغ معالج الرسومات عن خطأ: { $detail }.
failure-wrong-results = هذا المتصفح أو برنامج تشغيل الرسومات فيه يحسب حسابًا خاطئًا. يمكن تشغيل النموذج على المعالج.
failure-too-large = لا يتسع هذا الجهاز للنموذج: { $detail }.
failure-out-of-memory = ذاكرة الجهاز لا تكفي لهذا النموذج، ولا حتى بسياق صغير؛ جرّب نموذجًا أصغر ({ $detail }).
failure-context-too-large = لا يتسع هذا الجهاز لسياق من { $tokens } رمز؛ ويتسع لـ { $room } رمز.
failure-context-full = تضم هذه المحادثة { $tokens } رمز، لكن السياق يتسع لـ { $room } فقط.
failure-question-too-long = السؤال الأخير وحده يضم { $tokens } رمز مع التعليمات والملفات وما كُتب من الإجابة، لكن السياق يتسع لـ { $room } فقط. اختصره، أو أرفق أقل، أو اختر سياقًا أكبر.
failure-cannot-chat = هذا النموذج يحوّل النصوص إلى متّجهات؛ ولا يمكنه المحادثة.
failure-only-chats = النموذج المحمّل مخصص للمحادثة؛ والمطلوب نموذج تضمين.
failure-no-model = لم يُحمَّل أي نموذج. حمّل واحدًا أولًا.
failure-no-storage = هذا المتصفح لا يحتفظ بالملفات.
failure-not-kept = لم يعد هذا النموذج على هذا الجهاز.
failure-storage-full = مساحة التخزين على هذا الجهاز ممتلئة. احذف نموذجًا لا تحتاج إليه.
failure-storage-full-by = مساحة التخزين على هذا الجهاز ممتلئة: يلزم { $needed } والمتبقي { $free }. احذف نموذجًا لا تحتاج إليه.
failure-storage = لا يمكن استخدام مساحة التخزين على هذا الجهاز: { $detail }.
failure-field = الطلب خاطئ عند «{ $name }»: { $detail }.
failure-grammar = لا يمكن الالتزام بشكل الإجابة: { $detail }.
failure-bad-address = عنوان النموذج ليس عنوانًا يمكن الجلب منه.
failure-several-models = اختر ملف GGUF واحدًا، أو كل أجزاء نموذج واحد موزّع على عدة ملفات.
failure-interrupted = أُوقف.
failure-engine-stopped = توقف المحرك عن العمل: { $detail }. محادثتك ما زالت هنا؛ أعد المحاولة.

## Quantities

millions = { $number } مليون
billions = { $number } مليار
under-a-second = أقل من ثانية
days = { $count } يوم
