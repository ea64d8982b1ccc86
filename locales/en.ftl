# The interface in English. Every other language in this folder has the same messages with the same arguments; a test compares them.

## Conversation

you = You
assistant = Parlance
conversation = Conversation
message = Message
send = Send
stop = Stop
attach = Attach text files
remove = Remove
file-is-image = { $name } is an image. Only text can be attached.
file-is-pdf = { $name } is a PDF, whose text cannot be read here. Save it as a text file, or paste the text.
file-is-binary = { $name } is not a text file.
file-not-utf8 = { $name } is not in the UTF-8 encoding. Save it as UTF-8 and attach it again.
file-too-large = { $name } has { $size }. The files of a question may have { $limit } together.
file-unreadable = { $name } could not be read.
waiting-for-model = Waiting for the model
reading-prompt = Reading, { $percent } %
thinking = Thinking…
thought-for = Thought for { $time }
answer-begins = The answer is being written.
answer-is-there = The answer is there.
cut-off = The page was closed before the answer was complete.
answered-elsewhere = This is being answered in another tab.
ended-at-limit = cut off at the limit
ended-by-user = stopped
context-mark = Older messages above this line are not sent to the model any more.
token-count = { $count ->
    [one] { $count } token
   *[other] { $count } tokens
}
tokens-per-second = { $rate } tokens/s
answer-details = { $prompt } prompt tokens ({ $cached } of them cached), first token after { $seconds } s
copy = Copy
copied = Copied
download = Download
edit = Edit
edit-message = Edit the message
ask-again = Ask again
regenerate = Another answer
continue = Continue
sources = Sources
about-tokens = about { $count } tokens
exact-tokens = { $count } tokens
read-aloud = Read aloud
delete = Delete
previous-branch = Previous version
next-branch = Next version
branch-place = { $place } of { $count }
message-deleted = The message and what followed it were deleted.
fine-print = Runs on this device. Nothing you write leaves it.
welcome-title = Ask anything. It stays here.
welcome-text = Parlance runs a language model inside this tab, on your own GPU: no account, no server, no one listening.
welcome-text-cpu = Parlance runs a language model inside this tab, on your own processor: no account, no server, no one listening.
jump-to-latest = Go to the latest
drop-here = Drop files here: texts go with the message, a GGUF file is looked at as a model.
suggestion-fact = What is the capital of France?
suggestion-explain = Explain why the sky is blue, in two sentences
suggestion-write = Write a haiku about the sea

## Conversations

conversations = Conversations
new-chat = New chat
search-conversations = Search conversations
no-conversations = What you talk about will be listed here.
nothing-found = Nothing was found.
pinned = Pinned
last-day = Last 24 hours
last-week = Last 7 days
last-month = Last 30 days
older = Older
more = More
rename = Rename
title = Title
pin = Pin
unpin = Unpin
move-to-folder = Move to folder
folder = Folder
export-markdown = Export as Markdown
export-json = Export as JSON
conversation-deleted = The conversation was deleted.
conversations-deleted = All conversations were deleted.
undo = Undo

## Models

model = Model
models = Models
no-model = No model
loading = Loading…
choose-model = Choose a model
all-models = All models
demo-model = Demo model
demo-model-text = SmolLM2 135M Instruct, 98 MB: small and quick, good for a first look.
demo-model-offer = 98 MB, a small demo model. It loads with your first message, or right away:
load-model = Load model
linked-model = A link asks for the model { $name } from { $host }.
linked-model-of-size = A link asks for the model { $name } from { $host }, about { $size }.
linked-model-replaces = It would take the place of { $name }, which other tabs may be using.
load = Load
unload = Unload
look = Look
use-model = Use
resume = Resume
pause = Pause
from-address = From an address
from-address-text = A GGUF file, or one on Hugging Face as owner/repository/file.gguf. You see what it is before it loads.
not-an-address = This is not an address of a file.
from-device = From this device
choose-and-remember = Choose and remember
from-device-text = Or drop it anywhere on the page.
model-details = { $gpu } on the GPU, at most { $memory } beside it · context of { $tokens } tokens · loaded in { $seconds } s · { $adapter }
model-details-cpu = { $gpu } read, at most { $memory } in use · context of { $tokens } tokens · loaded in { $seconds } s · { $adapter }
idle-unload = Free its memory when unused
never = Never
after-time = After { $time }
opening-gpu = Opening the GPU
downloading-model = Downloading the model
uploading-model = Putting the model onto the GPU
getting-ready = Getting ready
loading-model = Loading the model
part-of = { $part } of { $whole }
time-left = { $time } left
load-with-context = Load with a context of { $tokens } tokens
plan-for = Plan for { $tokens } tokens
try-again = Try again
computes-on-cpu = This browser computes on the CPU, because it found no GPU it may use. Answers will be slow.
runs-on-cpu = No GPU here: the model runs on the processor, more slowly.
computes-plainly = Some of this browser's GPU code computes wrongly, so Parlance computes in a simpler way here: answers are right, but come more slowly. An update of the browser or the graphics driver may help.
gpu-computes-wrongly = This browser's GPU computes wrongly, so the model runs on the processor, more slowly. An update of the browser or the graphics driver may help.
compute-on = Compute on
compute-auto = Automatic
compute-gpu = GPU (WebGPU)
compute-cpu = Processor
small-cache = Keep conversations in half of the GPU's memory (8 bits: a little less exact)
reading-header = Reading what it is…
parameters = { $count } parameters
in-files = in { $count } files
takes-memory = Takes { $total } of GPU memory: { $weights } for weights, { $context } for a context of { $tokens } tokens, { $scratch } to compute.
context = Context
context-of = context of { $tokens } tokens
cannot-chat = This model turns texts into vectors; it cannot chat. Choose another one.
is-here = It is on this device already.
partly-here = { $size } of it are here already.
room-is-missing = To be kept it takes { $missing }, and the browser has only { $free } left: it will be loaded, but not kept.
room-is-there = To be kept it takes { $missing } of { $free } left.
all-families = All
families = Families
filter-models = Filter by name, family, licence
add-model = Add a model
no-catalogue = The list of models could not be read. Add one by its address or from a file.
needs-memory = needs about { $size }
fit-good = Fits this device
fit-tight = May fit this device
fit-too-large = Too large for this device
fit-unknown = This browser does not say how much memory there is
about-bundled = Comes with this page and works without a network. For a first look.
about-tiny = Runs on almost anything. For short texts and simple questions.
about-small = For everyday questions on a phone or an old laptop.
about-medium = Good answers on a laptop.
about-large = The best answers, for a computer with a graphics card.
about-thinks = Thinks before it answers. Good at calculation and logic.
about-code = Writes and explains programs.
about-tools = Calls tools and follows instructions closely.
about-open = Its training data and code are public, too.

## Storage

storage = On this device
looking = Looking…
is-persisted = The browser keeps these files until you delete them.
is-not-persisted = The browser may delete these files when the disk gets full.
persist = Keep them
import-title = Keep a copy of a file
import-text = A GGUF file from your disk, so that it is here the next time.
room-used = { $used } of { $quota } that the browser gives this site are used.
no-kept-models = No model is kept here yet. The first one that you load will be.
partly-kept = { $done } of { $total }; loading it completes it
used-ago = used { $time } ago
never-used = never used
is-intact = It is intact.
is-damaged = It is damaged. Delete it and load it again.
is-being-read = Reading it…
checksum-verified = checksum verified
verify = Verify
delete-for-good = Delete for good
cancel = Cancel

## Settings

settings = Settings
pages = Pages
chat = Chat
looks = Interface
language = Language
language-of-browser = As the browser has it
theme = Theme
theme-system = As the system has it
theme-light = Light
theme-dark = Dark
compact = Compact: less space between lines
enter-sends = Enter sends, Shift+Enter makes a new line. Without it, Ctrl+Enter sends.
sampling = How answers are chosen
preset-precise = Precise
preset-balanced = Balanced
preset-creative = Creative
temperature = Temperature
temperature-help = How adventurous the choice of words is. 0 always takes the likeliest one.
top-p = Top-p
top-p-help = Only the likeliest words that together reach this probability are considered. 1 considers all.
top-k = Top-k
top-k-help = Only so many of the likeliest words are considered. 0 considers all.
min-p = Min-p
min-p-help = Leaves out words that are less than this share as likely as the likeliest one.
repetition-penalty = Repetition penalty
repetition-penalty-help = Makes words that were used already less likely. 1 changes nothing; small models need a little.
max-tokens = Longest answer, in tokens
max-tokens-help = A token is a word or a part of one. Empty: as long as the context has room.
seed = Seed
seed-help = The same number gives the same answer to the same question. Empty: another one each time.
system-prompt = Instructions for the model
system-prompt-text = What the model is told before every conversation.
system-prompt-example = You are a helpful assistant. Answer briefly.
thinks = Models that can think first do so
uses-tools = Models may use a calculator and a clock. Their calls are shown with the answer.
guesses-ahead = Guess ahead: what repeats the conversation comes faster
drops-oldest = In long conversations, leave out the oldest questions and answers where the context is full. A line shows which ones.
embedding-model = Model that searches long files
embedding-model-text = Files that do not fit the context are searched for the passages that matter for the question. With an embedding model they are found by meaning, without one by words.
personas = Personas
personas-text = Instructions to switch between. They are offered above.
prompts = Prompts
prompts-text = Texts that you need often. Write / and the beginning of a name to insert one. What stands in double braces is marked, to be replaced.
name = Name
text = Text
add = Add
data = Your data
data-text = Conversations are kept in this browser and nowhere else.
library-newer = A newer version of Parlance was here in another tab. Reload this page to get it.
library-full = This device's storage is full: what is said now is not kept. Delete a model or conversations that you do not need.
export-all-json = Export all as JSON
export-all-markdown = Export all as Markdown
import-conversations = Import conversations
import-conversations-text = JSON files that Parlance, ChatGPT or Open WebUI has exported.
imported = { $added ->
    [one] { $added } conversation was added
   *[other] { $added } conversations were added
}, { $known } were here already.
delete-all = Delete all conversations
delete-all-text = This deletes all conversations, with their files and drafts, and what was kept of their computation. Models and settings stay.

## Performance

performance = Performance
speed-of-answers = Tokens per second, answer by answer
no-answers = Answers of this visit will be shown here.
no-model-to-measure = No model is loaded. Its speed and memory will be shown here.
last-answer = Last answer: { $rate } tokens/s, prompt read at { $prefill } tokens/s, first token after { $seconds } s
adapter = GPU
features = Optional features in use
weights = Weights on the GPU
kv-cache = KV cache on the GPU
worker-memory = Memory beside the GPU, at most
benchmark = Benchmark
benchmark-text = Asks the model for three answers of 64 tokens each and tells the medians.
run-benchmark = Measure
benchmark-result = { $rate } tokens/s, prompt read at { $prefill } tokens/s, first token after { $seconds } s
copy-result = Copy the result

## Playground

playground = Playground
playground-text = Ask for an answer of a certain form: it always fits the JSON schema.
playground-question = Describe the capital of France.
question = Question
json-schema = JSON schema
ask = Ask
answer = Answer
instructions = Instructions for this conversation
instructions-text = What the model is told first in this conversation. Left empty, the settings count.
save = Save

## Shortcuts

shortcuts = Keyboard shortcuts
shortcut-help = Show this list
shortcut-search = Search conversations
shortcut-sidebar = Show or hide conversations
shortcut-stop = Stop the answer
shortcut-prompts = Insert a prompt
shortcut-newline = New line

## Around

close = Close
page-failed = The page met a fault of its own and stopped. Everything that was said is kept; reload to go on.
model-recovered = Something failed for a moment ({ $message }). The model was loaded again and goes on.
engine-restarted = The engine stopped ({ $message }) and was started again. Nothing was lost.
reload = Reload
new-version = A new version of Parlance is ready.
not-found-title = This page does not exist
not-found-text = The address may be mistyped.
go-to-chat = Go to the chat
help-network = Check the address and your connection, then try again. Another site must allow this one to read its files (CORS).
help-not-allowed = Parlance connects only to its own site and to hosts that you have allowed.
allow-source = Allow { $host } and open the page again
allowed-elsewhere = This host is allowed now, but another tab of Parlance was opened before that. Close it or open it again.
allowed-sources = Connections
allowed-sources-text = Hosts that this site may fetch models from, beside itself. Conversations go to none of them.
forget = Forget
help-other-model = Choose another model, or the demo model.
help-storage = See what is kept on this device
help-new-chat = Start a new chat, or let the settings leave out the oldest messages.
webgpu-intro = Parlance computes on your GPU through WebGPU, which these browsers have:
webgpu-hint = If yours is among them, check that hardware acceleration is on in its settings, and that the page is opened over https or from localhost.
webgpu-chrome = On Linux, update to 144 or later; if it is still off, open chrome://flags/#enable-unsafe-webgpu and enable it.
webgpu-safari = Update the system: the browser comes with it.
webgpu-firefox = Elsewhere, open about:config and set dom.webgpu.enabled to true, or use Chrome.

## Failures

failure-no-webgpu = This browser offers no WebGPU.
failure-no-gpu = WebGPU found no usable GPU ({ $detail }).
failure-http-status = The model could not be fetched: the server answered { $status } for { $url }.
failure-network = The model could not be fetched: { $detail }.
failure-bad-answer = The model could not be fetched: the server's answer makes no sense ({ $detail }).
failure-not-allowed = This page may not connect to { $host }, because nobody has allowed it yet.
failure-changed = The model could not be fetched: the file at its address changed meanwhile. Try again.
failure-damaged = The model on this device is damaged. It was removed; load it again.
failure-wrong-checksum = “{ $name }” was refused: its checksum is not the one that its address or its host tells. Nothing of it is kept.
failure-unusable-copy = The file on this device has the right checksum, but no model can be made of it: { $detail }. Another download would not help.
failure-bad-pin = What follows “#” in the model's address cannot be compared: it has to be “sha256=” and a checksum of 64 hexadecimal digits for each file of the model (number of files: { $files }), separated by commas.
failure-not-gguf = This is not a GGUF model file: it starts with { $detail }, not with “GGUF”.
failure-gguf-version = GGUF version { $version } is not supported; versions 2 and 3 are.
failure-cut-short = The model file is cut short: it has { $length } and needs at least { $needed }. Download it again.
failure-malformed = The model file is damaged: { $detail }.
failure-missing-entry = The model file lacks the metadata entry “{ $name }” or has it in the wrong type.
failure-missing-tensor = The model file lacks the tensor “{ $name }”.
failure-architecture = Models of the architecture “{ $name }” are not supported yet.
failure-format = The tensor “{ $tensor }” is stored as { $format }, which is not supported yet.
failure-tokenizer = The model's tokenizer cannot be used: { $detail }.
failure-template = The model's chat template failed: { $detail }.
failure-gpu = The GPU reported an error: { $detail }.
failure-wrong-results = This browser or its graphics driver computes wrongly. The model can run on the CPU.
failure-too-large = The model does not fit this device: { $detail }.
failure-out-of-memory = The device has not enough memory for this model, not even with a small context; try a smaller model ({ $detail }).
failure-context-too-large = A context of { $tokens } tokens does not fit this device; { $room } tokens would.
failure-context-full = This conversation has { $tokens } tokens, but the context holds { $room }.
failure-question-too-long = The last question alone has { $tokens } tokens, with instructions, files and what is answered already, but the context holds { $room }. Shorten it, attach less, or choose a larger context.
failure-cannot-chat = This model turns texts into vectors; it cannot chat.
failure-only-chats = The model loaded is for chats; an embedding model is needed.
failure-no-model = No model is loaded. Load one first.
failure-no-storage = This browser keeps no files.
failure-not-kept = This model is not on this device any more.
failure-storage-full = This device's storage is full. Delete a model that you do not need.
failure-storage-full-by = This device's storage is full: { $needed } are needed, { $free } are left. Delete a model that you do not need.
failure-storage = This device's storage cannot be used: { $detail }.
failure-field = The request is wrong at “{ $name }”: { $detail }.
failure-grammar = The answer's form cannot be kept: { $detail }.
failure-bad-address = The model's address is none that can be fetched.
failure-several-models = Choose one GGUF file, or all parts of one model in several files.
failure-interrupted = It was stopped.
failure-engine-stopped = The engine stopped working: { $detail }. Your conversation is still here; try again.

## Quantities

millions = { $number } million
billions = { $number } billion
under-a-second = less than a second
days = { $count } days
