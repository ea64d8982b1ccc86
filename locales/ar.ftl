# الواجهة بالعربية.

## Chat

you = أنت
assistant = Parlance
conversation = المحادثة
message = اكتب رسالة
send = إرسال
queue-message = إرسال بعد هذا الرد
queued = في انتظار الإرسال
take-back = تعديل قبل الإرسال
quote-selection = اقتباس التحديد
stop = إيقاف
attach = إرفاق ملفات أو صور
take-photo = التقاط صورة
dictate = إملاء
stop-dictating = إيقاف الإملاء
talk = التحدث مع النموذج
stop-talking = إيقاف التحدث
opening-microphone = جارٍ فتح الميكروفون…
listening = جارٍ الاستماع…
transcribing = جارٍ كتابة ما قيل…
sound-level = مستوى الصوت
microphone-not-allowed = الميكروفون غير مسموح به. اسمح به لهذا الموقع في المتصفح ثم أعد المحاولة.
microphone-missing = لم يُعثر على ميكروفون. وصّل ميكروفونًا ثم أعد المحاولة.
microphone-unusable = لا يمكن استخدام الميكروفون. ربما يستخدمه برنامج آخر.
microphone-unplugged = انفصل الميكروفون. ما قيل حتى ذلك الحين موجود في الرسالة.
nothing-heard = لم يُفهم شيء.
speech-recognition = التعرف على الكلام
speech-recognition-text = يحوّل نموذج على هذا الجهاز الكلام إلى نص. يُنزَّل مرة واحدة. ما تقوله وتسجيلاتك لا تغادر هذا الجهاز أبدًا.
speech-model = نموذج الكلام
loading-speech-model = جارٍ تحميل نموذج الكلام…
recording = تسجيل
decoding-recording = جارٍ قراءة التسجيل…
transcribed-of = { $done } من { $total }
transcript-complete = اكتمل النص المكتوب.
transcript-incomplete = ينتهي النص المكتوب هنا.
transcript = النص المكتوب
play-from-here = تشغيل من هنا
save-as-text = حفظ كنص
save-as-srt = حفظ بصيغة SRT
save-as-vtt = حفظ بصيغة WebVTT
attach-transcript = إرفاق بالرسالة
reading-files = جارٍ قراءة الملفات…
reading-document = جارٍ قراءة { $name }… { $percent }٪
remove = إزالة
file-is-image = ‏{ $name } صورة بتنسيق لا يمكن قراءته هنا. التنسيقات المقروءة هي PNG وJPEG وWebP وAVIF وGIF.
page-of = ‏{ $name }، الصفحة { $page }
pdf-cut-off = أُرفقت أول { $count } صفحات بلا نص من { $name } فقط.
document-encrypted = ‏{ $name } محمي بكلمة مرور أو من النسخ فلا يمكن قراءته.
document-damaged = ‏{ $name } تالف أو تستغرق قراءته وقتًا طويلًا.
document-unknown = ‏{ $name } من نوع لا يمكن قراءته هنا.
document-empty = ‏{ $name } لا يحتوي على نص.
document-too-large = { $unit ->
    [bytes] ‏{ $name } يحتوي على أكثر من { $limit } من البيانات المضغوطة، فلم يُقرأ.
    [text] ‏{ $name } يحتوي على أكثر من { $limit } من النص، فلم يُقرأ.
    [files] ‏{ $name } يحتوي على أكثر من { $limit } ملف، فلم يُقرأ.
    [pages] ‏{ $name } يحتوي على أكثر من { $limit } صفحة، فلم يُقرأ.
    [cells] ‏{ $name } يحتوي على أكثر من { $limit } خلية، فلم يُقرأ.
   *[nesting] ‏{ $name } متداخل بعمق كبير، فلم يُقرأ.
}
file-is-binary = ‏{ $name } ليس ملفًا نصيًا.
file-not-utf8 = ‏{ $name } ليس بترميز UTF-8. احفظه بترميز UTF-8 ثم أرفقه مرة أخرى.
file-too-large = حجم { $name } هو { $size }. الحد الأقصى للمرفقات { $limit } لكل رسالة.
file-unreadable = تعذّرت قراءة { $name }.
image-too-large = ‏{ $name } كبيرة جدًا: الحد الأقصى للصور 100 مليون بكسل و67 ميغابايت.
image-damaged = ‏{ $name } تالفة أو غير مكتملة، فلا يمكن عرضها على نموذج.
image-scaled = صُغّرت { $name } من { $from } إلى { $to } بكسل.
image = صورة
image-description = الوصف (النص البديل)
image-missing = لم تعد هذه الصورة على هذا الجهاز.
waiting-for-model = في انتظار النموذج…
processing-prompt = جارٍ معالجة المُدخل… { $percent }%
looking-at-images = جارٍ النظر إلى الصور… { $percent }%
thinking = جارٍ التفكير…
thought-for = فكّر لمدة { $time }
response-started = جارٍ إنشاء الرد.
response-finished = اكتمل الرد.
response-incomplete = أُغلقت الصفحة قبل اكتمال الرد.
response-elsewhere = يجري إنشاء هذا الرد في علامة تبويب أخرى.
token-limit-reached = تم بلوغ حد الرموز
stopped-by-user = تم الإيقاف
context-cutoff = الرسائل فوق هذا الخط لم يعد السياق يتسع لها ولا تُرسل إلى النموذج.
context-gauge = { $used } من { $limit } رمز
context-contents = ما يملأ السياق
context-summary = الملخص
context-messages = الرسائل
context-files = الملفات
context-images = الصور
context-draft = الرسالة قيد الكتابة
context-estimate = تقدير. ويُترك الباقي للرد.
context-left-out = { $count ->
    [one] رسالة واحدة ({ $count }) لم تعد تُرسل إلى النموذج، وهي معلَّمة في المحادثة.
   *[other] رسائل لم تعد تُرسل إلى النموذج وهي معلَّمة في المحادثة: { $count }.
}
summarize = تلخيص الرسائل السابقة
summarizing = جارٍ التلخيص…
summary-instead = يُرسل ملخص بدلًا من الرسائل أعلاه.
summary-failed = لم يكتب النموذج ملخصًا. لم يتغير شيء.
chat-statistics = هذه المحادثة حتى الآن
statistics-read = الرموز المقروءة
statistics-cached = رموز من ذاكرة KV المؤقتة
statistics-written = الرموز المكتوبة
statistics-time = زمن الردود
statistics-speed = السرعة المتوسطة
token-count = { $count ->
    [zero] لا رموز
    [one] رمز واحد
    [two] رمزان
    [few] { $count } رموز
   *[other] { $count } رمزًا
}
tokens-per-second = { $rate } رمز/ث
generation-details = رموز المُدخل: { $prompt } (منها { $cached } من الذاكرة المؤقتة)، زمن أول رمز: { $seconds } ث
copy = نسخ
copied = تم النسخ
copy-csv = نسخ بصيغة CSV
download = تنزيل
edit = تعديل
edit-message = تعديل الرسالة
regenerate = إعادة الإنشاء
regenerate-with = نموذج آخر…
compare = جنبًا إلى جنب
show-version = عرض هذه الإجابة
continue = متابعة
sources = المصادر
source = المصدر
place-page = صفحة { $number }
place-sheet = ورقة { $number }
place-slide = شريحة { $number }
place-chapter = فصل { $number }
estimated-tokens = نحو { $count } رمز
exact-tokens = { $count } رمز
read-aloud = قراءة بصوت عالٍ
delete = حذف
previous-branch = النسخة السابقة
next-branch = النسخة التالية
branch-position = { $position } من { $count }
message-deleted = حُذفت الرسالة وكل ما بعدها.
fine-print = يعمل على هذا الجهاز. لا يغادره شيء مما تكتبه.
welcome-title = اسأل ما شئت. يبقى كل شيء على جهازك.
welcome-text = يشغّل Parlance نموذجًا لغويًا داخل علامة التبويب هذه على معالج الرسومات في جهازك: بلا حساب ولا خادم ولا أحد يتنصّت.
welcome-text-cpu = يشغّل Parlance نموذجًا لغويًا داخل علامة التبويب هذه على المعالج المركزي في جهازك: بلا حساب ولا خادم ولا أحد يتنصّت.
proposal-title = نموذج أفضل لهذا الجهاز
device-room = يُفترض أن يشغّل هذا الجهاز جيدًا نماذج حتى { $size }.
device-room-cpu = من دون GPU، يُفترض أن يشغّل هذا الجهاز جيدًا نماذج حتى { $size }.
task = الغرض منه
task-chat = أسئلة يومية
task-code = البرمجة
task-reasoning = الرياضيات والمنطق
task-images = أسئلة عن الصور
model-size = الحجم
size-small = سريع التنزيل
size-medium = توازن جيد
size-large = أفضل الإجابات
download-model = تنزيل { $size }
allow-and-download = السماح لـ { $host } وتنزيل { $size }
demo-meanwhile = يجيب النموذج التجريبي في هذه الأثناء. إنه صغير جدًا، فتحقق مما يقوله.
scroll-to-bottom = التمرير إلى الأسفل
drop-files = أفلت الملفات هنا. تُرفق النصوص والصور برسالتك، ويُفتح ملف GGUF بوصفه نموذجًا.
suggestion-fact = ما عاصمة فرنسا؟
suggestion-explain = اشرح في جملتين لماذا السماء زرقاء
suggestion-write = اكتب قصيدة هايكو عن البحر

## Chats

conversations = المحادثات
new-chat = محادثة جديدة
temporary-chat = محادثة مؤقتة
temporary-chat-text = لا يُحفظ شيء من هذه المحادثة، وتنتهي عند مغادرتها.
select-chats = تحديد محادثات
select-chat = تحديد هذه المحادثة
selected-count = المحدد: { $count }
search-conversations = البحث في المحادثات
no-conversations = ستظهر محادثاتك هنا. اطرح سؤالًا لتبدأ محادثة، أو استورد محادثات من الإعدادات.
no-chats-found = لا نتائج. جرّب كلمات أقل، أو # متبوعة بوسم.
pinned = المثبّتة
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
tags = الوسوم
export-markdown = تصدير بصيغة Markdown
export-json = تصدير بصيغة JSON
conversation-deleted = حُذفت المحادثة.
some-conversations-deleted = عدد المحادثات المحذوفة: { $count }.
conversations-deleted = حُذفت كل المحادثات.
undo = تراجع

## Projects

projects = المشاريع
projects-text = يجمع المشروع التعليمات والملفات والمحادثات. تعثر محادثاته على مقاطع من ملفاته وتقتبسها بأرقام.
project-name = اسم المشروع
new-project = مشروع جديد
project-instructions = التعليمات: تُرسل إلى النموذج في بداية كل محادثة من هذا المشروع
project-files = الملفات
projects-empty = لا شيء هنا بعد. سمِّ مشروعًا في الأعلى وأضف إليه ملفات وابدأ محادثة: ستقتبس الردود من الملفات بأرقام، والنقر على رقم يعرض الموضع.
project-file = { $size } من النص · المقاطع: { $count }، بالمعنى: { $embedded }
delete-project = حذف المشروع
embedding-proposal = تُبحث الملفات بالكلمات. يعثر نموذج تضمين صغير أيضًا على مقاطع تقول الشيء نفسه بكلمات أخرى؛ وهو أفضل بالإنجليزية.
embedding-download = تنزيل all-MiniLM-L6-v2 (نحو 25 ميغابايت)
embedding-source = العنوان معروف من مشاريع أخرى؛ أما الحجم فمحسوب ولم يُتحقق منه.
embedding-files = تُجهَّز الملفات للبحث بالمعنى. يتوقف ذلك مؤقتًا أثناء انتظارك للرد، وعند العمل على البطارية.
embedding-failed = لم يُرجع نموذج التضمين أي متجهات. اختر نموذجًا آخر في الإعدادات.

## Models

model = النموذج
models = النماذج
loading = جارٍ التحميل…
select-model = اختر نموذجًا
models-here = على هذا الجهاز
advanced = متقدم
all-models = كل النماذج
demo-model = نموذج تجريبي
demo-model-text = ‏SmolLM2 135M Instruct، ‏98 MB: صغير وسريع، مناسب للتجربة الأولى.
demo-model-offer = نموذج تجريبي صغير، ‏98 MB. يُحمَّل مع رسالتك الأولى، أو الآن:
load-model = تحميل النموذج
linked-model = يطلب الرابط الذي فتحته تحميل { $name } من { $host }.
linked-model-with-size = يطلب الرابط الذي فتحته تحميل { $name } (نحو { $size }) من { $host }.
linked-model-replaces = سيحل محل { $name } الذي قد تستخدمه علامات تبويب أخرى.
load = تحميل
unload = إلغاء التحميل
view-details = عرض التفاصيل
use-model = استخدام
resume = استئناف
pause = إيقاف مؤقت
load-from-url = تحميل من عنوان URL
load-from-url-text = ملف GGUF، أو ملف على Hugging Face بصيغة owner/repository/file.gguf. ستظهر تفاصيله قبل تحميله.
invalid-url = عنوان URL غير صالح.
load-from-file = تحميل من ملف
load-from-file-text = يمكنك أيضًا إفلاته في أي مكان من صفحة المحادثة.
choose-and-remember = اختيار وحفظ للمرات القادمة
model-details = ‏{ $gpu } على معالج الرسومات، وحتى { $memory } من الذاكرة · سياق من { $tokens } رمز · حُمّل في { $seconds } ث · { $adapter }
model-details-cpu = ملف من { $gpu }، وحتى { $memory } من الذاكرة · سياق من { $tokens } رمز · حُمّل في { $seconds } ث · { $adapter }
unload-when-idle = إلغاء التحميل عند الخمول
never = أبدًا
after-time = بعد { $time }
starting-engine = بدء تشغيل المحرّك
downloading-model = تنزيل النموذج
uploading-model = تحميل النموذج في الذاكرة
preparing = جارٍ التحضير
loading-model = تحميل النموذج
fetching-model = يجري تنزيل { $name }
model-fetched = أصبح { $name } جاهزًا.
part-of = { $part } من { $whole }
time-left = بقي { $time }
load-with-context = تحميل بسياق من { $tokens } رمز
try-context = تجربة سياق من { $tokens } رمز
try-again = إعادة المحاولة
software-webgpu = لم يُعثر على معالج رسومات صالح للاستخدام، لذا يحاكي هذا المتصفح WebGPU على المعالج المركزي. ستكون الردود بطيئة.
runs-on-cpu = لا يتوفر معالج رسومات: يعمل النموذج على المعالج المركزي، وهو أبطأ.
self-test-fallback = تعطي بعض أنوية معالج الرسومات نتائج خاطئة في هذا المتصفح، لذا يستخدم Parlance أنوية أبسط. الردود صحيحة لكنها أبطأ. قد يفيد تحديث المتصفح أو برنامج تشغيل الرسومات.
self-test-failed = يعطي معالج الرسومات نتائج خاطئة في هذا المتصفح، لذا يعمل النموذج على المعالج المركزي، وهو أبطأ. قد يفيد تحديث المتصفح أو برنامج تشغيل الرسومات.
compute-device = جهاز الحساب
device-auto = تلقائي
device-gpu = معالج الرسومات (WebGPU)
device-cpu = المعالج المركزي
kv-cache-quantization = تكميم ذاكرة KV المؤقتة (8 بت): نحو نصف ذاكرة الرسومات لكل محادثة، بدقة أقل قليلًا
reading-header = جارٍ قراءة بيانات النموذج الوصفية…
parameters = { $count } معامل
in-files = في { $count } ملفات
memory-estimate = يشغل { $total } من ذاكرة الرسومات: { $weights } للأوزان، و{ $context } لذاكرة KV المؤقتة (سياق من { $tokens } رمز)، و{ $scratch } لمخازن الحساب المؤقتة.
context-length = طول السياق
context-tokens = سياق من { $tokens } رمز
cannot-chat = هذا نموذج تضمين ولا يمكنه المحادثة. اختر نموذجًا آخر.
sees-with = يرى الصور باستخدام { $name }.
draft-model = نموذج المسودة (أسرع): { $name }، { $size }
drafts-with = يصوغ { $name } مسودات إجاباته.
sees-images = يرى الصور
model-that-sees = ‏{ $model } يرى الصور.
already-downloaded = موجود على هذا الجهاز.
partly-downloaded = تم تنزيل { $size } منه.
storage-insufficient = يتطلب حفظه { $missing }، ولم يبق للمتصفح سوى { $free }: سيُحمَّل دون أن يُحفظ.
storage-needed = يتطلب حفظه { $missing } من أصل { $free } متاحة.
all-families = الكل
model-families = عائلات النماذج
filter-models = تصفية بالاسم أو العائلة أو الرخصة
add-model = إضافة نموذج
catalogue-unavailable = تعذّر تحميل قائمة النماذج. أضف نموذجًا بعنوان URL أو من ملف.
no-models-found = لا نتائج. جرّب كلمات أقل أو عائلة أخرى، أو أضف نموذجًا بعنوان URL أو من ملف.
needs-memory = يحتاج نحو { $size } من الذاكرة
fit-good = يُفترض أن يعمل على هذا الجهاز
fit-tight = قد يعمل على هذا الجهاز
fit-too-large = أكبر من قدرة هذا الجهاز على الأرجح
fit-unknown = ذاكرة الجهاز غير معروفة
model-source = المصدر:
source-checked = يتفق الحجم والمجموع الاختباري مع سجلات عامة أخرى.
source-unchecked = لم يُتحقق منه: الحجم تقريبي، والمجموع الاختباري يأتي مع التنزيل.
hub-search = البحث في { $host }
hub-not-allowed = عند السماح لهذا المضيف يمكنك البحث هنا في آلاف النماذج. لا تُرسل إليه سوى كلمات البحث والتنزيلات.
hub-words = ابحث عن نموذج
search = بحث
searching = جارٍ البحث…
hub-nothing-found = لا نتائج. لا تُعرض إلا المستودعات التي تحوي ملفات GGUF. جرّب كلمات أقل، مثل اسم نموذج.
hub-refused = رفض الخادم: يلزم رمز وصول، أو رمز آخر.
hub-failed = تعذر البحث في الخادم ({ $detail }). تحقق من الاتصال وحاول مرة أخرى.
licence-unknown = الترخيص غير مذكور
downloads = { $count } تنزيل
gated = وصول مقيّد
gated-help = لتنزيل هذه الملفات، اقبل الشروط في صفحة المستودع وأدخل رمز الوصول أدناه.
repository-page = صفحة المستودع
hub-no-models = لا يحتوي هذا المستودع على نموذج GGUF كامل.
hub-incomplete = { $count ->
    [one] نموذج واحد ({ $count }) ينقصه جزء ولم يُدرج.
   *[other] عدد النماذج التي ينقصها جزء ولم تُدرج: { $count }.
}
with-images = يرى الصور: { $name } ({ $size })
hub-access = رمز الوصول والخادم
hub-token = رمز الوصول إلى المستودعات المقيّدة
hub-token-text = يبقى على هذا الجهاز ولا يُرسل إلا إلى { $host }.
hub-token-invalid = لا يحتوي الرمز على مسافات ويتكون من أحرف ASCII فقط.
hub-server = خادم آخر
hub-server-text = مرآة لها الواجهة نفسها. اتركه فارغًا لاستخدام Hugging Face.
about-speech = يحوّل الكلام إلى نص.
about-bundled = مرفق بهذا الموقع ويعمل دون اتصال. مناسب للتجربة الأولى.
about-tiny = يعمل على أي جهاز تقريبًا. للنصوص القصيرة والأسئلة البسيطة.
about-small = للأسئلة اليومية على هاتف أو حاسوب محمول قديم.
about-medium = إجابات جيدة على حاسوب محمول.
about-large = أفضل الإجابات، لحاسوب مزوّد ببطاقة رسومات.
about-reasoning = يفكر قبل أن يجيب. جيد في الرياضيات والمنطق.
about-code = يكتب الشيفرة ويشرحها.
about-tools = يستدعي الأدوات ويتبع التعليمات بدقة.
about-open = مفتوح بالكامل: بيانات تدريبه وشيفرته متاحة للعموم أيضًا.

## Storage

storage = التخزين
storage-persistent = يحتفظ المتصفح بهذه الملفات حتى تحذفها.
storage-evictable = قد يحذف المتصفح هذه الملفات عندما تقل مساحة القرص.
persist = الاحتفاظ بالملفات
import-model = استيراد نموذج
import-model-text = ينسخ ملف GGUF من قرصك إلى مساحة تخزين هذا المتصفح.
storage-used = استُخدم { $used } من { $quota } المتاحة لهذا الموقع.
projector = يتيح لنموذج رؤية الصور
images-stored = { $count ->
    [zero] لا صور في المحادثات: { $size }.
    [one] صورة واحدة في المحادثات: { $size }.
    [two] صورتان في المحادثات: { $size }.
    [few] { $count } صور في المحادثات: { $size }.
    [many] { $count } صورة في المحادثات: { $size }.
   *[other] { $count } صورة في المحادثات: { $size }.
}
no-downloaded-models = لم يُنزَّل أي نموذج بعد. اختر نموذجًا من قائمة النماذج وسيُحفظ هنا.
download-incomplete = تم تنزيل { $done } من { $total }
used-ago = استُخدم قبل { $time }
never-used = لم يُستخدم قط
file-intact = الملف سليم.
file-damaged = الملف تالف. احذفه ونزّله من جديد.
verifying = جارٍ التحقق…
checksum-verified = تم التحقق من المجموع الاختباري
verify = تحقّق
delete-permanently = حذف نهائي
cancel = إلغاء

## Settings

settings = الإعدادات
search-settings = البحث في الإعدادات
no-settings-found = لا نتائج. جرّب كلمة واحدة، مثل «{ theme }» أو «{ temperature }».
pages = الصفحات
chat = المحادثة
interface = الواجهة
language = اللغة
language-default = لغة المتصفح
theme = المظهر
theme-system = النظام
theme-light = فاتح
theme-dark = داكن
compact = تخطيط مضغوط
enter-sends = الإرسال بالمفتاح Enter (وShift+Enter لسطر جديد). عند الإيقاف، يرسل Ctrl+Enter.
sampling = أخذ العينات
preset-precise = دقيق
preset-balanced = متوازن
preset-creative = إبداعي
own-sampling = لهذه المحادثة إعدادات أخذ عينات خاصة بها
temperature = درجة الحرارة
temperature-help = مدى عشوائية المخرجات. 0 يختار دائمًا الرمز الأكثر احتمالًا.
top-p = Top P
top-p-help = لا يأخذ إلا الرموز الأكثر احتمالًا التي يبلغ مجموع احتمالاتها هذه القيمة. 1 يعطّله.
top-k = Top K
top-k-help = لا يأخذ إلا هذا العدد من الرموز الأكثر احتمالًا. 0 يعطّله.
min-p = Min P
min-p-help = يتجاهل الرموز التي يقل احتمالها عن هذه النسبة من احتمال الرمز الأرجح. 0 يعطّله.
repetition-penalty = عقوبة التكرار
repetition-penalty-help = تجعل الرموز التي ظهرت سابقًا أقل احتمالًا. 1 يعطّلها؛ وتحتاج النماذج الصغيرة إلى القليل منها.
max-tokens = الحد الأقصى للرموز
max-tokens-help = أطول رد. الرمز كلمة أو جزء منها. اتركه فارغًا لاستخدام كل ما تبقى من السياق.
seed = البذرة
seed-help = البذرة نفسها تعطي الرد نفسه على المُدخل نفسه. اتركها فارغة لبذرة عشوائية.
system-prompt = موجّه النظام
system-prompt-text = يُرسل إلى النموذج في بداية كل محادثة.
system-prompt-example = أنت مساعد مفيد. أجب بإيجاز.
reasoning = الاستدلال: النماذج التي تدعمه تفكر قبل أن تجيب
tool-use = الأدوات: يمكن للنماذج استخدام آلة حاسبة وساعة. تظهر الاستدعاءات مع الرد.
speculative-decoding = فك الترميز التخميني (Prompt Lookup): النص الذي يكرر المحادثة يُنشأ أسرع
context-overflow = تجاوز السياق: عندما تتجاوز محادثة السياق، تُستبعد أقدم رسائلها. ويبيّن خط الموضع.
embedding-model = نموذج تضمين للملفات الطويلة
embedding-model-text = الملفات التي لا يتسع لها السياق يُبحث فيها عن المقاطع المتعلقة برسالتك: بالمعنى مع نموذج تضمين، وبالكلمات المفتاحية من دونه.
ranker = نموذج إعادة ترتيب للمشاريع
ranker-text = يقرأ أفضل 20 مقطعًا من ملفات المشروع مع رسالتك ويختار منها 8 على الأكثر. من دونه تُرسل المقاطع بترتيب العثور عليها.
personas = الشخصيات
personas-text = موجّهات نظام للتبديل بينها، تُعرض أسفل موجّه النظام.
prompts = القوالب
prompts-text = نصوص تستخدمها كثيرًا. اكتب / وبداية اسم لإدراج أحدها. تُحدَّد العناصر النائبة بين الأقواس المعقوفة المزدوجة لتملأها.
name = الاسم
text = النص
add = إضافة
data = بياناتك
data-text = تُحفظ المحادثات في هذا المتصفح وحده.
library-newer = فُتح إصدار أحدث من Parlance في علامة تبويب أخرى. أعد تحميل هذه الصفحة للتحديث.
library-full = مساحة التخزين على هذا الجهاز ممتلئة، لذا لا تُحفظ الرسائل الجديدة. احذف نموذجًا أو محادثات لم تعد تحتاج إليها.
export-all-json = تصدير الكل بصيغة JSON
export-all-markdown = تصدير الكل بصيغة Markdown
import-conversations = استيراد محادثات
import-conversations-text = ملفات JSON مصدَّرة من Parlance أو ChatGPT أو Open WebUI.
imported = { $added ->
    [zero] لم تُستورد محادثات
    [one] استُوردت محادثة واحدة
    [two] استُوردت محادثتان
    [few] استُوردت { $added } محادثات
   *[other] استُوردت { $added } محادثة
}، والموجود مسبقًا: { $known }.
delete-all = حذف كل المحادثات
delete-all-text = سيؤدي هذا إلى حذف كل المحادثات مع مرفقاتها ومسوداتها وذاكرات KV المحفوظة لها. تبقى النماذج والإعدادات.

## Performance

performance = الأداء
generation-speed = الرموز في الثانية لكل رد
no-responses = ستظهر هنا ردود هذه الزيارة.
no-model-loaded = لا يوجد نموذج محمّل. حمّل نموذجًا لترى سرعته واستهلاكه للذاكرة.
last-response = آخر رد: { $rate } رمز/ث، معالجة المُدخل { $prefill } رمز/ث، زمن أول رمز { $seconds } ث
adapter = معالج الرسومات
features = الميزات الاختيارية المستخدمة
weights = الأوزان
kv-cache = ذاكرة KV المؤقتة
peak-ram = ذروة استخدام الذاكرة
benchmark = قياس الأداء
benchmark-text = ينشئ ثلاثة ردود من 64 رمزًا لكل منها ويعرض القيم الوسيطة.
run-benchmark = بدء القياس
benchmark-result = { $rate } رمز/ث، معالجة المُدخل { $prefill } رمز/ث، زمن أول رمز { $seconds } ث
copy-result = نسخ النتيجة

## Playground

playground = ساحة التجربة
playground-text = مخرجات منظّمة: يوافق الرد دائمًا مخطط JSON.
playground-prompt = صف عاصمة فرنسا.
prompt = المُدخل
json-schema = مخطط JSON
generate = إنشاء
response = الرد
chat-system-prompt = موجّه النظام لهذه المحادثة
chat-system-prompt-text = يُرسل إلى النموذج في بداية هذه المحادثة. اتركه فارغًا لاستخدام الموجّه من الإعدادات.
save = حفظ

## Shortcuts

shortcuts = اختصارات لوحة المفاتيح
palette = الأوامر
palette-hint = البحث في الأوامر والصفحات والمحادثات
no-commands-found = لا نتائج. جرّب اسم صفحة، أو كلمات من عنوان محادثة.
shortcut-help = عرض هذه القائمة
shortcut-search = البحث في المحادثات
shortcut-sidebar = إظهار الشريط الجانبي أو إخفاؤه
shortcut-stop = إيقاف الإنشاء
shortcut-prompts = إدراج قالب
shortcut-newline = سطر جديد

## General

close = إغلاق
page-crashed = واجه Parlance خطأ داخليًا وتوقف. محادثاتك محفوظة؛ أعد التحميل للمتابعة.
model-recovered = حدث خطأ ما ({ $message }). أُعيد تحميل النموذج وهو يواصل العمل.
engine-restarted = تعطّل المحرّك ({ $message }) وأُعيد تشغيله. لم يُفقد شيء.
reload = إعادة التحميل
new-version = يتوفر إصدار جديد من Parlance.
not-found-title = الصفحة غير موجودة
not-found-text = تحقق من كتابة العنوان.
go-to-chat = الانتقال إلى المحادثة
help-network = تحقق من عنوان URL ومن اتصالك ثم أعد المحاولة. يجب أن تسمح المواقع الأخرى لهذا الموقع بقراءة ملفاتها (CORS).
help-not-allowed = لا يتصل Parlance إلا بموقعه وبالمضيفين الذين سمحت بهم.
allow-host = السماح بـ { $host } وإعادة التحميل
allowed-elsewhere = هذا المضيف مسموح به الآن، لكن علامة تبويب أخرى من Parlance فُتحت قبل ذلك. أغلقها أو أعد تحميلها.
allowed-hosts = المضيفون المسموح بهم
allowed-hosts-text = يمكن لهذا الموقع جلب النماذج من هؤلاء المضيفين إضافةً إلى موقعه. لا تُرسل المحادثات إليهم أبدًا.
help-other-model = اختر نموذجًا آخر أو النموذج التجريبي.
help-storage = إدارة التخزين
help-new-chat = ابدأ محادثة جديدة أو فعّل خيار تجاوز السياق في الإعدادات.
webgpu-intro = يشغّل Parlance النماذج على معالج الرسومات عبر WebGPU الذي تدعمه هذه المتصفحات:
webgpu-hint = إن كنت تستخدم أحدها فتأكد من تفعيل تسريع العتاد في إعداداته ومن فتح الصفحة عبر https أو من localhost.
webgpu-chrome = على لينكس، حدّث إلى 144 أو أحدث؛ وإن بقي WebGPU معطّلًا ففعّله من chrome://flags/#enable-unsafe-webgpu.
webgpu-safari = حدّث نظام التشغيل؛ يُحدَّث Safari معه.
webgpu-firefox = في الأنظمة الأخرى، اجعل قيمة dom.webgpu.enabled هي true في about:config، أو استخدم Chrome.

## Failures

failure-no-webgpu = لا يدعم هذا المتصفح WebGPU.
failure-no-gpu = لم يجد WebGPU معالج رسومات صالحًا للاستخدام ({ $detail }).
failure-http-status = تعذّر تنزيل النموذج: رد الخادم بالرمز { $status } على { $url }.
failure-network = تعذّر تنزيل النموذج: { $detail }.
failure-bad-answer = تعذّر تنزيل النموذج: رد الخادم غير صالح ({ $detail }).
failure-not-allowed = لا يمكن لهذه الصفحة الاتصال بـ { $host }: لم تسمح بذلك بعد.
failure-changed = تعذّر تنزيل النموذج: تغيّر الملف أثناء التنزيل. أعد المحاولة.
failure-damaged = كان النموذج على هذا الجهاز تالفًا فأُزيل. حمّله من جديد.
failure-wrong-checksum = رُفض «{ $name }»: لا يطابق مجموعه الاختباري ما يذكره عنوانه أو مضيفه. لم يُحفظ شيء.
failure-unusable-copy = المجموع الاختباري للملف على هذا الجهاز صحيح، لكن لا يمكن تحميله نموذجًا: { $detail }. لن يفيد تنزيله من جديد.
failure-bad-pin = الجزء الذي يلي «#» في عنوان النموذج ليس مجموعًا اختباريًا صالحًا: يجب أن يكون «sha256=» يليه 64 رقمًا سداسيًا عشريًا لكل ملف من ملفات النموذج (عدد الملفات: { $files })، مفصولة بفواصل.
failure-not-gguf = هذا ليس ملف نموذج GGUF: يبدأ بـ { $detail } بدلًا من «GGUF».
failure-gguf-version = الإصدار { $version } من GGUF غير مدعوم؛ المدعوم هو الإصداران 2 و3.
failure-cut-short = ملف النموذج غير مكتمل: حجمه { $length } من أصل { $needed } على الأقل. نزّله من جديد.
failure-malformed = ملف النموذج تالف: { $detail }.
failure-missing-entry = ينقص ملف النموذج عنصر البيانات الوصفية «{ $name }»، أو أن نوعه خاطئ.
failure-missing-tensor = ينقص ملف النموذج الموتّر «{ $name }».
failure-architecture = النماذج ذات البنية «{ $name }» غير مدعومة بعد.
failure-format = الموتّر «{ $tensor }» مخزّن بصيغة { $format }، وهي غير مدعومة بعد.
failure-tokenizer = لا يمكن استخدام مُرمِّز النموذج (tokenizer): { $detail }.
failure-template = فشل قالب المحادثة الخاص بالنموذج: { $detail }.
failure-gpu = أبلغ معالج الرسومات عن خطأ: { $detail }.
failure-wrong-results = يعطي معالج الرسومات نتائج خاطئة في هذا المتصفح، بسبب المتصفح أو برنامج تشغيل الرسومات. يمكن تشغيل النموذج على المعالج المركزي.
failure-too-large = لا يتسع هذا الجهاز للنموذج: { $detail }.
failure-out-of-memory = ذاكرة هذا الجهاز لا تكفي لهذا النموذج، حتى بسياق صغير؛ جرّب نموذجًا أصغر ({ $detail }).
failure-context-too-large = لا يتسع هذا الجهاز لسياق من { $tokens } رمز؛ ويتسع لـ { $room } رمز.
failure-context-full = تم تجاوز طول السياق: تضم هذه المحادثة { $tokens } رمز، لكن طول السياق { $room }.
failure-question-too-long = تم تجاوز طول السياق: مع موجّه النظام والمرفقات وما كُتب من الرد، تضم الرسالة الأخيرة وحدها { $tokens } رمز، لكن طول السياق { $room }. اختصرها، أو قلّل المرفقات، أو اختر سياقًا أكبر.
failure-cannot-chat = هذا نموذج تضمين ولا يمكنه المحادثة.
failure-cannot-see = لا يستطيع { $model } رؤية الصور.
failure-hears-nothing = لا يستطيع { $model } سماع التسجيلات.
failure-wrong-projector = لا يتيح “{ $name }” لهذا النموذج رؤية الصور: { $detail }.
failure-wrong-draft = لا يستطيع هذا النموذج صياغة مسودات للنموذج الآخر: { $detail }.
failure-cannot-hear = النموذج المحمّل لا يسمع؛ والمطلوب نموذج للتعرف على الكلام.
failure-recording = لا يمكن كتابة التسجيل: { $detail }.
failure-only-chats = النموذج المحمّل نموذج محادثة؛ والمطلوب نموذج تضمين.
failure-no-model = لا يوجد نموذج محمّل. حمّل نموذجًا أولًا.
failure-queue-full = هناك طلبات كثيرة في الانتظار. أعد المحاولة لاحقًا.
failure-no-storage = لا يوفّر هذا المتصفح تخزينًا للملفات.
failure-not-kept = لم يعد هذا النموذج على هذا الجهاز.
failure-storage-full = مساحة التخزين على هذا الجهاز ممتلئة. احذف نموذجًا لم تعد تحتاج إليه.
failure-storage-full-by = مساحة التخزين على هذا الجهاز ممتلئة: المطلوب { $needed } والمتبقي { $free }. احذف نموذجًا لم تعد تحتاج إليه.
failure-storage = لا يمكن استخدام مساحة التخزين على هذا الجهاز: { $detail }.
failure-field = الحقل «{ $name }» في الطلب غير صالح: { $detail }.
failure-grammar = لا يمكن فرض صيغة الرد: { $detail }.
failure-bad-address = عنوان URL الخاص بالنموذج غير صالح.
failure-several-models = اختر ملف GGUF واحدًا، أو كل أجزاء نموذج واحد مقسّم.
failure-interrupted = تم الإيقاف.
failure-engine-stopped = تعطّل المحرّك: { $detail }. محادثتك ما زالت هنا؛ أعد المحاولة.
warning-no-template = لا يحتوي ملف النموذج على قالب محادثة؛ ويُستخدم ChatML بدلًا منه.
warning-unusable-template = لا يمكن استخدام قالب المحادثة الخاص بالنموذج ({ $detail })؛ ويُستخدم ChatML بدلًا منه.
warning-distrusted-template = أوقف قالب المحادثة الخاص بالنموذج المحرّك في محاولة سابقة؛ ويُستخدم ChatML بدلًا منه.
warning-not-stored = لم يُحفظ النموذج على هذا الجهاز، وسيلزم تنزيله مرة أخرى. { $reason }
warning-smaller-context = لا تكفي الذاكرة لسياق من { $tokens } رمز؛ ويتسع الآن لـ { $room } رمز. نموذج أصغر سيترك مساحة أكبر.

## Quantities

millions = { $number } مليون
billions = { $number } مليار
under-a-second = أقل من ثانية
days = { $count } يوم
