# The interface in English. Every other language in this folder has the same messages with the same arguments; a test compares them.

## Chat

you = You
assistant = Parlance
conversation = Conversation
message = Send a message
send = Send
queue-message = Send after this response
queued = Waiting to be sent
take-back = Edit before sending
quote-selection = Quote selection
stop = Stop
attach = Attach files or images
take-photo = Take a photo
dictate = Dictate
stop-dictating = Stop dictating
talk = Talk with the model
stop-talking = Stop talking
opening-microphone = Opening the microphone…
listening = Listening…
transcribing = Writing down what was said…
sound-level = Sound level
microphone-not-allowed = The microphone is not allowed. Allow it for this site in the browser, then try again.
microphone-missing = No microphone was found. Connect one, then try again.
microphone-unusable = The microphone cannot be used. Another program may be using it.
microphone-unplugged = The microphone was disconnected. What was said until then is in the message.
nothing-heard = Nothing was understood.
speech-recognition = Speech recognition
speech-recognition-text = A model on this device turns speech into text. It is downloaded once. What you say and your recordings never leave this device.
speech-model = Model for speech
loading-speech-model = Loading the model for speech…
recording = Recording
decoding-recording = Reading the recording…
transcribed-of = { $done } of { $total }
transcript-complete = The transcript is complete.
transcript-incomplete = The transcript ends here.
transcript = Transcript
play-from-here = Play from here
save-as-text = Save as text
save-as-srt = Save as SRT
save-as-vtt = Save as WebVTT
attach-transcript = Attach to the message
reading-files = Reading files…
reading-document = Reading { $name }… { $percent }%
remove = Remove
file-is-image = { $name } is an image of a kind that cannot be read here. PNG, JPEG, WebP, AVIF and GIF can.
page-of = { $name }, page { $page }
pdf-cut-off = Only the first { $count } pages of { $name } without text were attached.
document-encrypted = { $name } has a password or is copy-protected, so it cannot be read.
document-damaged = { $name } is damaged or takes too long to read.
document-unknown = { $name } is of a kind that cannot be read here.
document-empty = { $name } contains no text.
document-too-large = { $unit ->
    [bytes] { $name } holds more than { $limit } of packed data, so it was not read.
    [text] { $name } has more than { $limit } of text, so it was not read.
    [files] { $name } has more than { $limit } files, so it was not read.
    [pages] { $name } has more than { $limit } pages, so it was not read.
    [cells] { $name } has more than { $limit } table cells, so it was not read.
   *[nesting] { $name } is nested too deeply, so it was not read.
}
file-is-binary = { $name } is not a text file.
file-not-utf8 = { $name } is not encoded as UTF-8. Save it as UTF-8 and attach it again.
file-too-large = { $name } is { $size }. Attachments are limited to { $limit } per message.
file-unreadable = { $name } could not be read.
image-too-large = { $name } is too large: images may have up to 100 million pixels and 67 MB.
image-damaged = { $name } is damaged or incomplete, so it cannot be shown to a model.
image-scaled = { $name } was scaled from { $from } to { $to } pixels.
image = Image
image-description = Description (alternative text)
image-missing = This image is no longer on this device.
waiting-for-model = Waiting for the model…
processing-prompt = Processing prompt… { $percent }%
looking-at-images = Looking at the images… { $percent }%
thinking = Thinking…
thought-for = Thought for { $time }
response-started = Generating a response.
response-finished = Response complete.
response-incomplete = The page was closed before the response was complete.
response-elsewhere = This response is being generated in another tab.
token-limit-reached = token limit reached
stopped-by-user = stopped
context-cutoff = Messages above this line no longer fit the context and are not sent to the model.
context-gauge = { $used } of { $limit } tokens
context-contents = What fills the context
context-summary = Summary
context-messages = Messages
context-files = Files
context-images = Images
context-draft = The message being written
context-estimate = Estimated. The rest is left for the response.
context-left-out = { $count ->
    [one] { $count } message is no longer sent to the model. It is marked in the chat.
   *[other] { $count } messages are no longer sent to the model. They are marked in the chat.
}
summarize = Summarize earlier messages
summarizing = Summarizing…
summary-instead = A summary is sent in place of the messages above.
summary-failed = The model wrote no summary. Nothing was changed.
chat-statistics = This chat so far
statistics-read = Tokens read
statistics-cached = Tokens from the KV cache
statistics-written = Tokens written
statistics-time = Time for responses
statistics-speed = Average speed
token-count = { $count ->
    [one] { $count } token
   *[other] { $count } tokens
}
tokens-per-second = { $rate } tok/s
generation-details = { $prompt } prompt tokens ({ $cached } cached), time to first token { $seconds } s
copy = Copy
copied = Copied
copy-csv = Copy as CSV
download = Download
edit = Edit
edit-message = Edit message
regenerate = Regenerate
regenerate-with = Another model…
compare = Side by side
show-version = Show this answer
continue = Continue
sources = Sources
source = Source
place-page = page { $number }
place-sheet = sheet { $number }
place-slide = slide { $number }
place-chapter = chapter { $number }
estimated-tokens = about { $count } tokens
exact-tokens = { $count } tokens
read-aloud = Read aloud
delete = Delete
previous-branch = Previous version
next-branch = Next version
branch-position = { $position } of { $count }
message-deleted = Message deleted, along with everything after it.
fine-print = Runs on this device. Nothing you write leaves it.
welcome-title = Ask anything. It stays on your device.
welcome-text = Parlance runs a language model inside this tab, on your own GPU: no account, no server, nobody listening in.
welcome-text-cpu = Parlance runs a language model inside this tab, on your own CPU: no account, no server, nobody listening in.
proposal-title = A better model for this device
device-room = This device should run models of up to { $size } well.
device-room-cpu = Without a GPU, this device should run models of up to { $size } well.
task = What it is for
task-chat = Everyday questions
task-code = Programming
task-reasoning = Math and logic
task-images = Questions about images
model-size = Size
size-small = Quick to download
size-medium = A good balance
size-large = The best answers
download-model = Download { $size }
allow-and-download = Allow { $host } and download { $size }
demo-meanwhile = The demo model answers meanwhile. It is very small, so check what it says.
scroll-to-bottom = Scroll to bottom
drop-files = Drop files here. Texts and images are attached to your message; a GGUF file is opened as a model.
suggestion-fact = What is the capital of France?
suggestion-explain = Explain why the sky is blue, in two sentences
suggestion-write = Write a haiku about the sea

## Chats

conversations = Chats
new-chat = New chat
temporary-chat = Temporary chat
temporary-chat-text = Nothing of this chat is saved. It ends when you leave it.
select-chats = Select chats
select-chat = Select this chat
selected-count = { $count } selected
search-conversations = Search chats
no-conversations = Your chats will appear here. Ask something to start one, or import chats in the settings.
no-chats-found = No results. Try fewer words, or # and a tag.
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
tags = Tags
export-markdown = Export as Markdown
export-json = Export as JSON
conversation-deleted = Chat deleted.
some-conversations-deleted = { $count } chats deleted.
conversations-deleted = All chats deleted.
undo = Undo

## Projects

projects = Projects
projects-text = A project keeps instructions, files and chats together. Its chats find passages of its files and quote them by number.
project-name = Name of the project
new-project = New project
project-instructions = Instructions: sent to the model at the start of every chat of this project
project-files = Files
projects-empty = Nothing here yet. Name a project above, add files to it, and start a chat: answers then quote the files by number, and a click on a number shows the place.
project-file = { $size } of text · passages: { $count }, by meaning: { $embedded }
delete-project = Delete project
embedding-proposal = Files are searched by their words. A small embedding model also finds passages that say the same in other words; it works best in English.
embedding-download = Download all-MiniLM-L6-v2 (about 25 MB)
embedding-source = Its address is known from other projects; its size is computed and was not checked.
embedding-files = Files are being prepared for search by meaning. This pauses while you wait for a response, and on battery.
embedding-failed = The embedding model returned no vectors. Choose another one in the settings.

## Models

model = Model
models = Models
loading = Loading…
select-model = Select a model
models-here = On this device
advanced = Advanced
all-models = All models
demo-model = Demo model
demo-model-text = SmolLM2 135M Instruct, 98 MB: small and fast, good for a first look.
demo-model-offer = a small demo model, 98 MB. It loads with your first message, or right now:
load-model = Load model
linked-model = The link you followed asks to load { $name } from { $host }.
linked-model-with-size = The link you followed asks to load { $name } (about { $size }) from { $host }.
linked-model-replaces = It would replace { $name }, which other tabs may be using.
load = Load
unload = Unload
view-details = View details
use-model = Use
resume = Resume
pause = Pause
load-from-url = Load from URL
load-from-url-text = A GGUF file, or one on Hugging Face as owner/repository/file.gguf. You see its details before it loads.
invalid-url = This is not a valid URL.
load-from-file = Load from file
load-from-file-text = You can also drop it anywhere on the chat page.
choose-and-remember = Choose and remember
model-details = { $gpu } on the GPU, up to { $memory } of RAM · { $tokens }-token context · loaded in { $seconds } s · { $adapter }
model-details-cpu = { $gpu } model file, up to { $memory } of RAM · { $tokens }-token context · loaded in { $seconds } s · { $adapter }
unload-when-idle = Unload when idle
never = Never
after-time = After { $time }
starting-engine = Starting the engine
downloading-model = Downloading model
uploading-model = Loading model into memory
preparing = Preparing
loading-model = Loading model
fetching-model = Downloading { $name }
model-fetched = { $name } is ready.
part-of = { $part } of { $whole }
time-left = { $time } left
load-with-context = Load with a { $tokens }-token context
try-context = Try a { $tokens }-token context
try-again = Try again
software-webgpu = No usable GPU was found, so this browser emulates WebGPU on the CPU. Responses will be slow.
runs-on-cpu = No GPU available: the model runs on the CPU, which is slower.
self-test-fallback = Some GPU kernels give wrong results in this browser, so Parlance uses simpler ones. Responses are correct but slower. Updating the browser or the graphics driver may help.
self-test-failed = The GPU gives wrong results in this browser, so the model runs on the CPU, which is slower. Updating the browser or the graphics driver may help.
compute-device = Compute device
device-auto = Automatic
device-gpu = GPU (WebGPU)
device-cpu = CPU
kv-cache-quantization = KV cache quantization (8-bit): about half the GPU memory per chat, slightly less accurate
reading-header = Reading model metadata…
parameters = { $count } parameters
in-files = in { $count } files
memory-estimate = Takes { $total } of GPU memory: { $weights } for weights, { $context } for the KV cache ({ $tokens }-token context), { $scratch } for scratch buffers.
context-length = Context length
context-tokens = { $tokens }-token context
cannot-chat = This is an embedding model and cannot chat. Choose another model.
sees-with = Sees images with { $name }.
draft-model = Draft model (faster): { $name }, { $size }
drafts-with = { $name } drafts its answers.
sees-images = sees images
model-that-sees = { $model } sees images.
already-downloaded = Already on this device.
partly-downloaded = { $size } already downloaded.
storage-insufficient = Saving it takes { $missing }, but the browser has only { $free } left: it will be loaded without being saved.
storage-needed = Saving it takes { $missing } of the { $free } left.
all-families = All
model-families = Model families
filter-models = Filter by name, family or license
add-model = Add model
catalogue-unavailable = The model list could not be loaded. Add a model by URL or from a file.
no-models-found = No results. Try fewer words or another family, or add a model by URL or from a file.
needs-memory = needs about { $size } of memory
fit-good = Should run on this device
fit-tight = May run on this device
fit-too-large = Likely too large for this device
fit-unknown = Device memory unknown
model-source = Source:
source-checked = Size and checksum agree with other public records.
source-unchecked = Not checked: the size is approximate, and the checksum comes with the download.
hub-search = Search { $host }
hub-not-allowed = Thousands of models can be searched from here once you allow this host. Only your search words and downloads go there.
hub-words = Search for a model
search = Search
searching = Searching…
hub-nothing-found = No results. Only repositories with GGUF files are listed. Try fewer words, such as the name of a model.
hub-refused = The server refuses: this needs an access token, or another one.
hub-failed = The server could not be searched ({ $detail }). Check your connection and try again.
licence-unknown = license not stated
downloads = { $count } downloads
gated = gated
gated-help = To download these files, accept the terms on the repository’s page and enter your access token below.
repository-page = Page of the repository
hub-no-models = This repository has no complete GGUF model.
hub-incomplete = { $count ->
    [one] { $count } model lacks a part and is not listed.
   *[other] { $count } models lack a part and are not listed.
}
with-images = Sees images: { $name } ({ $size })
hub-access = Access token and server
hub-token = Access token for gated repositories
hub-token-text = It stays on this device and is sent to { $host } alone.
hub-token-invalid = A token has no spaces and only ASCII characters.
hub-server = Another server
hub-server-text = A mirror with the same API. Leave empty for Hugging Face.
about-speech = Turns speech into text.
about-bundled = Comes with this site and works offline. Good for a first look.
about-tiny = Runs on almost anything. For short texts and simple questions.
about-small = For everyday questions on a phone or an older laptop.
about-medium = Good answers on a laptop.
about-large = The best answers, for a computer with a graphics card.
about-reasoning = Thinks before it answers. Good at math and logic.
about-code = Writes and explains code.
about-tools = Calls tools and follows instructions closely.
about-open = Fully open: its training data and code are public, too.

## Storage

storage = Storage
storage-persistent = The browser keeps these files until you delete them.
storage-evictable = The browser may delete these files when disk space runs low.
persist = Keep files
import-model = Import a model
import-model-text = Copies a GGUF file from your disk into this browser's storage.
storage-used = { $used } of { $quota } available to this site used.
projector = lets a model see images
images-stored = { $count ->
    [one] { $count } image in chats: { $size }.
   *[other] { $count } images in chats: { $size }.
}
no-downloaded-models = No models downloaded yet. Choose one from the list of models; it is kept here.
download-incomplete = { $done } of { $total } downloaded
used-ago = used { $time } ago
never-used = never used
file-intact = The file is intact.
file-damaged = The file is damaged. Delete it and download it again.
verifying = Verifying…
checksum-verified = checksum verified
verify = Verify
delete-permanently = Delete permanently
cancel = Cancel

## Settings

settings = Settings
search-settings = Search settings
no-settings-found = No results. Try a single word, such as “{ theme }” or “{ temperature }”.
pages = Pages
chat = Chat
interface = Interface
language = Language
language-default = Browser default
theme = Theme
theme-system = System
theme-light = Light
theme-dark = Dark
compact = Compact layout
enter-sends = Send with Enter (Shift+Enter for a new line). When off, Ctrl+Enter sends.
sampling = Sampling
preset-precise = Precise
preset-balanced = Balanced
preset-creative = Creative
own-sampling = This chat has sampling settings of its own
temperature = Temperature
temperature-help = How random the output is. 0 always picks the most likely token.
top-p = Top P
top-p-help = Considers only the most likely tokens whose probabilities add up to this value. 1 disables it.
top-k = Top K
top-k-help = Considers only this many of the most likely tokens. 0 disables it.
min-p = Min P
min-p-help = Ignores tokens less likely than this fraction of the most likely token's probability. 0 disables it.
repetition-penalty = Repeat penalty
repetition-penalty-help = Makes tokens that already occurred less likely. 1 disables it; small models need a little.
max-tokens = Max tokens
max-tokens-help = Longest response. A token is a word or part of one. Leave empty to use all of the remaining context.
seed = Seed
seed-help = The same seed gives the same response to the same prompt. Leave empty for a random one.
system-prompt = System prompt
system-prompt-text = Sent to the model at the start of every chat.
system-prompt-example = You are a helpful assistant. Be concise.
reasoning = Reasoning: models that support it think before they answer
tool-use = Tools: models may use a calculator and a clock. Calls are shown with the response.
speculative-decoding = Speculative decoding (prompt lookup): text that repeats the chat is generated faster
context-overflow = Context overflow: when a chat outgrows the context, leave out its oldest messages. A line shows where.
embedding-model = Embedding model for long files
embedding-model-text = Files too long for the context are searched for the passages relevant to your message: by meaning with an embedding model, by keywords without one.
ranker = Ranker for projects
ranker-text = Reads the 20 best passages of a project's files together with your message, and chooses up to 8 of them. Without one they are sent as they were found.
personas = Personas
personas-text = System prompts to switch between, offered below the system prompt.
prompts = Prompts
prompts-text = Text you use often. Type / and the start of a name to insert it. Placeholders in double braces are selected so that you can fill them in.
name = Name
text = Text
add = Add
data = Your data
data-text = Chats are stored in this browser and nowhere else.
library-newer = A newer version of Parlance was opened in another tab. Reload this page to update.
library-full = This device's storage is full, so new messages are not saved. Delete a model or chats you no longer need.
export-all-json = Export all as JSON
export-all-markdown = Export all as Markdown
import-conversations = Import chats
import-conversations-text = JSON files exported from Parlance, ChatGPT or Open WebUI.
imported = { $added ->
    [one] { $added } chat imported
   *[other] { $added } chats imported
}, { $known } already present.
delete-all = Delete all chats
delete-all-text = This deletes all chats with their attachments, drafts and saved KV caches. Models and settings are kept.

## Performance

performance = Performance
generation-speed = Tokens per second by response
no-responses = Responses from this visit will appear here.
no-model-loaded = No model is loaded. Load one to see its speed and memory use.
last-response = Last response: { $rate } tok/s, prompt processing { $prefill } tok/s, time to first token { $seconds } s
adapter = GPU
features = Optional features in use
weights = Weights
kv-cache = KV cache
peak-ram = Peak RAM
benchmark = Benchmark
benchmark-text = Generates three responses of 64 tokens each and reports the medians.
run-benchmark = Run benchmark
benchmark-result = { $rate } tok/s, prompt processing { $prefill } tok/s, time to first token { $seconds } s
copy-result = Copy result

## Playground

playground = Playground
playground-text = Structured output: the response always matches the JSON schema.
playground-prompt = Describe the capital of France.
prompt = Prompt
json-schema = JSON schema
generate = Generate
response = Response
chat-system-prompt = System prompt for this chat
chat-system-prompt-text = Sent to the model at the start of this chat. Leave empty to use the one from the settings.
save = Save

## Shortcuts

shortcuts = Keyboard shortcuts
palette = Commands
palette-hint = Search commands, pages and chats
no-commands-found = No results. Try the name of a page, or words from the title of a chat.
shortcut-help = Show this list
shortcut-search = Search chats
shortcut-sidebar = Toggle sidebar
shortcut-stop = Stop generating
shortcut-prompts = Insert a prompt
shortcut-newline = New line

## General

close = Close
page-crashed = Parlance ran into an internal error and stopped. Your chats are saved; reload to continue.
model-recovered = Something went wrong ({ $message }). The model was reloaded and continues.
engine-restarted = The engine crashed ({ $message }) and was restarted. Nothing was lost.
reload = Reload
new-version = A new version of Parlance is available.
not-found-title = Page not found
not-found-text = Check the address for typos.
go-to-chat = Go to chat
help-network = Check the URL and your connection, then try again. Other sites have to allow this one to read their files (CORS).
help-not-allowed = Parlance connects only to its own site and to hosts you have allowed.
allow-host = Allow { $host } and reload
allowed-elsewhere = This host is allowed now, but another Parlance tab was opened before that. Close or reload it.
allowed-hosts = Allowed hosts
allowed-hosts-text = Besides its own, this site may fetch models from these hosts. Chats are never sent to them.
help-other-model = Choose another model or the demo model.
help-storage = Manage storage
help-new-chat = Start a new chat, or enable context overflow in the settings.
webgpu-intro = Parlance runs models on your GPU through WebGPU, which these browsers support:
webgpu-hint = If you use one of them, make sure that hardware acceleration is enabled in its settings and that the page was opened over https or from localhost.
webgpu-chrome = On Linux, update to 144 or later; if WebGPU is still off, enable it at chrome://flags/#enable-unsafe-webgpu.
webgpu-safari = Update the operating system; Safari is updated with it.
webgpu-firefox = Elsewhere, set dom.webgpu.enabled to true in about:config, or use Chrome.

## Failures

failure-no-webgpu = This browser does not support WebGPU.
failure-no-gpu = WebGPU found no usable GPU ({ $detail }).
failure-http-status = The model could not be downloaded: the server responded with { $status } for { $url }.
failure-network = The model could not be downloaded: { $detail }.
failure-bad-answer = The model could not be downloaded: the server's response is invalid ({ $detail }).
failure-not-allowed = This page may not connect to { $host }: you have not allowed it yet.
failure-changed = The model could not be downloaded: the file changed during the download. Try again.
failure-damaged = The model on this device was damaged and has been removed. Load it again.
failure-wrong-checksum = “{ $name }” was rejected: its checksum does not match the one given by its URL or host. Nothing was saved.
failure-unusable-copy = The file on this device has the right checksum but cannot be loaded as a model: { $detail }. Downloading it again would not help.
failure-bad-pin = The part of the model's URL after “#” is not a valid checksum: it must be “sha256=” and 64 hexadecimal digits for each file of the model (number of files: { $files }), separated by commas.
failure-not-gguf = This is not a GGUF model file: it starts with { $detail } instead of “GGUF”.
failure-gguf-version = GGUF version { $version } is not supported; versions 2 and 3 are.
failure-cut-short = The model file is incomplete: it has { $length } of at least { $needed }. Download it again.
failure-malformed = The model file is damaged: { $detail }.
failure-missing-entry = The model file is missing the metadata entry “{ $name }”, or it has the wrong type.
failure-missing-tensor = The model file is missing the tensor “{ $name }”.
failure-architecture = Models with the architecture “{ $name }” are not supported yet.
failure-format = The tensor “{ $tensor }” is stored as { $format }, which is not supported yet.
failure-tokenizer = The model's tokenizer cannot be used: { $detail }.
failure-template = The model's chat template failed: { $detail }.
failure-gpu = The GPU reported an error: { $detail }.
failure-wrong-results = The GPU gives wrong results in this browser, because of the browser or its graphics driver. The model can run on the CPU.
failure-too-large = The model does not fit this device: { $detail }.
failure-out-of-memory = This device does not have enough memory for this model, even with a small context; try a smaller model ({ $detail }).
failure-context-too-large = A context of { $tokens } tokens does not fit this device; { $room } tokens would.
failure-context-full = Context length exceeded: this chat has { $tokens } tokens, but the context length is { $room }.
failure-question-too-long = Context length exceeded: with system prompt, attachments and the response so far, the last message alone has { $tokens } tokens, but the context length is { $room }. Shorten it, attach less, or choose a larger context.
failure-cannot-chat = This is an embedding model and cannot chat.
failure-cannot-see = { $model } cannot see images.
failure-hears-nothing = { $model } cannot hear recordings.
failure-wrong-projector = “{ $name }” does not let this model see images: { $detail }.
failure-wrong-draft = This model cannot draft for the other: { $detail }.
failure-cannot-hear = The loaded model cannot hear; a model for speech recognition is needed.
failure-recording = The recording cannot be transcribed: { $detail }.
failure-only-chats = The loaded model is a chat model; an embedding model is needed.
failure-no-model = No model is loaded. Load one first.
failure-queue-full = Too many requests are waiting. Try again later.
failure-no-storage = This browser offers no file storage.
failure-not-kept = This model is no longer on this device.
failure-storage-full = This device's storage is full. Delete a model you no longer need.
failure-storage-full-by = This device's storage is full: { $needed } needed, { $free } left. Delete a model you no longer need.
failure-storage = This device's storage cannot be used: { $detail }.
failure-field = The request field “{ $name }” is invalid: { $detail }.
failure-grammar = The response format cannot be enforced: { $detail }.
failure-bad-address = The model's URL is not valid.
failure-several-models = Choose one GGUF file, or all parts of one split model.
failure-interrupted = Stopped.
failure-engine-stopped = The engine crashed: { $detail }. Your chat is still here; try again.
warning-no-template = The model file has no chat template; ChatML is used instead.
warning-unusable-template = The model's chat template cannot be used ({ $detail }); ChatML is used instead.
warning-distrusted-template = The model's chat template ended the engine when it was tried before; ChatML is used instead.
warning-not-stored = The model was not stored on this device and will have to be downloaded again. { $reason }
warning-smaller-context = There is not enough memory for a context of { $tokens } tokens; it has { $room }. A smaller model would leave more.

## Quantities

millions = { $number } million
billions = { $number } billion
under-a-second = less than a second
days = { $count } days
