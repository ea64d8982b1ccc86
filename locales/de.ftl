# Die Oberfläche auf Deutsch.

## Chat

you = Du
assistant = Parlance
conversation = Chatverlauf
message = Nachricht schreiben
send = Senden
queue-message = Nach dieser Antwort senden
queued = Wartet auf das Senden
take-back = Vor dem Senden bearbeiten
quote-selection = Auswahl zitieren
stop = Stoppen
attach = Dateien oder Bilder anhängen
take-photo = Foto aufnehmen
dictate = Diktieren
stop-dictating = Diktat beenden
talk = Mit dem Modell sprechen
stop-talking = Gespräch beenden
opening-microphone = Mikrofon wird geöffnet…
listening = Ich höre zu…
transcribing = Das Gesagte wird aufgeschrieben…
sound-level = Lautstärke
microphone-not-allowed = Das Mikrofon ist nicht erlaubt. Erlaube es im Browser für diese Website und versuche es dann noch einmal.
microphone-missing = Es wurde kein Mikrofon gefunden. Schließe eines an und versuche es dann noch einmal.
microphone-unusable = Das Mikrofon kann nicht benutzt werden. Vielleicht benutzt es ein anderes Programm.
microphone-unplugged = Das Mikrofon wurde getrennt. Was bis dahin gesagt wurde, steht in der Nachricht.
nothing-heard = Es wurde nichts verstanden.
speech-recognition = Spracherkennung
speech-recognition-text = Ein Modell auf diesem Gerät macht aus Sprache Text. Es wird einmal heruntergeladen. Was du sagst und deine Aufnahmen verlassen dieses Gerät nie.
speech-model = Modell für Sprache
loading-speech-model = Modell für Sprache wird geladen…
recording = Aufnahme
decoding-recording = Aufnahme wird gelesen…
transcribed-of = { $done } von { $total }
transcript-complete = Die Abschrift ist vollständig.
transcript-incomplete = Die Abschrift endet hier.
transcript = Abschrift
play-from-here = Ab hier abspielen
save-as-text = Als Text speichern
save-as-srt = Als SRT speichern
save-as-vtt = Als WebVTT speichern
attach-transcript = An die Nachricht anhängen
reading-files = Dateien werden gelesen…
reading-document = { $name } wird gelesen… { $percent } %
remove = Entfernen
file-is-image = { $name } ist ein Bild, dessen Format hier nicht gelesen werden kann. PNG, JPEG, WebP, AVIF und GIF gehen.
page-of = { $name }, Seite { $page }
pdf-cut-off = Nur die ersten { $count } Seiten von { $name } ohne Text wurden angehängt.
document-encrypted = { $name } hat ein Passwort oder einen Kopierschutz und kann nicht gelesen werden.
document-damaged = { $name } ist beschädigt oder braucht zu lange.
document-unknown = { $name } ist von einer Art, die hier nicht gelesen werden kann.
document-empty = { $name } enthält keinen Text.
document-too-large = { $unit ->
    [bytes] { $name } enthält mehr als { $limit } gepackte Daten und wurde nicht gelesen.
    [text] { $name } hat mehr als { $limit } Text und wurde nicht gelesen.
    [files] { $name } hat mehr als { $limit } Dateien und wurde nicht gelesen.
    [pages] { $name } hat mehr als { $limit } Seiten und wurde nicht gelesen.
    [cells] { $name } hat mehr als { $limit } Tabellenzellen und wurde nicht gelesen.
   *[nesting] { $name } ist zu tief verschachtelt und wurde nicht gelesen.
}
file-is-binary = { $name } ist keine Textdatei.
file-not-utf8 = { $name } ist nicht UTF-8-kodiert. Speichere die Datei als UTF-8 und hänge sie erneut an.
file-too-large = { $name } ist { $size } groß. Anhänge sind auf { $limit } pro Nachricht begrenzt.
file-unreadable = { $name } konnte nicht gelesen werden.
image-too-large = { $name } ist zu groß: Bilder dürfen bis zu 100 Millionen Pixel und 67 MB haben.
image-damaged = { $name } ist beschädigt oder unvollständig und kann keinem Modell gezeigt werden.
image-scaled = { $name } wurde von { $from } auf { $to } Pixel verkleinert.
image = Bild
image-description = Beschreibung (Alternativtext)
image-missing = Dieses Bild ist nicht mehr auf diesem Gerät.
waiting-for-model = Warte auf das Modell …
processing-prompt = Prompt wird verarbeitet … { $percent } %
looking-at-images = Bilder werden angesehen… { $percent } %
thinking = Denkt nach …
thought-for = { $time } nachgedacht
response-started = Antwort wird generiert.
response-finished = Antwort fertig.
response-incomplete = Die Seite wurde geschlossen, bevor die Antwort fertig war.
response-elsewhere = Diese Antwort wird gerade in einem anderen Tab generiert.
token-limit-reached = Token-Limit erreicht
stopped-by-user = gestoppt
context-cutoff = Nachrichten oberhalb dieser Linie passen nicht mehr in den Kontext und werden nicht an das Modell gesendet.
context-gauge = { $used } von { $limit } Tokens
context-contents = Was den Kontext füllt
context-summary = Zusammenfassung
context-messages = Nachrichten
context-files = Dateien
context-images = Bilder
context-draft = Die Nachricht, die du schreibst
context-estimate = Geschätzt. Der Rest bleibt für die Antwort.
context-left-out = { $count ->
    [one] { $count } Nachricht wird nicht mehr an das Modell gesendet. Sie ist im Chat markiert.
   *[other] { $count } Nachrichten werden nicht mehr an das Modell gesendet. Sie sind im Chat markiert.
}
summarize = Frühere Nachrichten zusammenfassen
summarizing = Wird zusammengefasst …
summary-instead = Statt der Nachrichten darüber wird eine Zusammenfassung gesendet.
summary-failed = Das Modell hat keine Zusammenfassung geschrieben. Nichts wurde geändert.
chat-statistics = Dieser Chat bisher
statistics-read = Gelesene Tokens
statistics-cached = Tokens aus dem KV-Cache
statistics-written = Geschriebene Tokens
statistics-time = Zeit für Antworten
statistics-speed = Durchschnittliche Geschwindigkeit
token-count = { $count ->
    [one] { $count } Token
   *[other] { $count } Tokens
}
tokens-per-second = { $rate } Tok/s
generation-details = { $prompt } Prompt-Tokens ({ $cached } aus dem Cache), Zeit bis zum ersten Token { $seconds } s
copy = Kopieren
copied = Kopiert
copy-csv = Als CSV kopieren
download = Herunterladen
edit = Bearbeiten
edit-message = Nachricht bearbeiten
regenerate = Neu generieren
regenerate-with = Anderes Modell …
compare = Nebeneinander
show-version = Diese Antwort zeigen
continue = Fortsetzen
sources = Quellen
source = Quelle
place-page = Seite { $number }
place-sheet = Tabelle { $number }
place-slide = Folie { $number }
place-chapter = Kapitel { $number }
estimated-tokens = etwa { $count } Tokens
exact-tokens = { $count } Tokens
read-aloud = Vorlesen
delete = Löschen
previous-branch = Vorherige Version
next-branch = Nächste Version
branch-position = { $position } von { $count }
message-deleted = Nachricht und alle folgenden gelöscht.
fine-print = Läuft auf diesem Gerät. Nichts, was du schreibst, verlässt es.
welcome-title = Frag, was du willst. Es bleibt auf deinem Gerät.
welcome-text = Parlance führt ein Sprachmodell in diesem Tab aus, auf deiner eigenen GPU: kein Konto, kein Server, niemand liest mit.
welcome-text-cpu = Parlance führt ein Sprachmodell in diesem Tab aus, auf deiner eigenen CPU: kein Konto, kein Server, niemand liest mit.
proposal-title = Ein besseres Modell für dieses Gerät
device-room = Auf diesem Gerät sollten Modelle bis { $size } gut laufen.
device-room-cpu = Ohne GPU sollten auf diesem Gerät Modelle bis { $size } gut laufen.
task = Wofür es gedacht ist
task-chat = Fragen des Alltags
task-code = Programmieren
task-reasoning = Mathematik und Logik
task-images = Fragen zu Bildern
model-size = Größe
size-small = Schnell heruntergeladen
size-medium = Ein guter Mittelweg
size-large = Die besten Antworten
download-model = { $size } herunterladen
allow-and-download = { $host } erlauben und { $size } herunterladen
demo-meanwhile = Bis dahin antwortet das Demomodell. Es ist sehr klein; prüfe, was es sagt.
scroll-to-bottom = Nach unten scrollen
drop-files = Dateien hier ablegen. Texte und Bilder werden an deine Nachricht angehängt, eine GGUF-Datei wird als Modell geöffnet.
suggestion-fact = Was ist die Hauptstadt von Frankreich?
suggestion-explain = Erkläre in zwei Sätzen, warum der Himmel blau ist
suggestion-write = Schreibe ein Haiku über das Meer

## Chats

conversations = Chats
new-chat = Neuer Chat
temporary-chat = Temporärer Chat
temporary-chat-text = Von diesem Chat wird nichts gespeichert. Er endet, wenn du ihn verlässt.
select-chats = Chats auswählen
select-chat = Diesen Chat auswählen
selected-count = { $count } ausgewählt
search-conversations = Chats durchsuchen
no-conversations = Deine Chats erscheinen hier. Stelle eine Frage, um einen zu beginnen, oder importiere Chats in den Einstellungen.
no-chats-found = Keine Ergebnisse. Versuche es mit weniger Wörtern oder mit # und einem Schlagwort.
pinned = Angeheftet
last-day = Letzte 24 Stunden
last-week = Letzte 7 Tage
last-month = Letzte 30 Tage
older = Älter
more = Mehr
rename = Umbenennen
title = Titel
pin = Anheften
unpin = Loslösen
move-to-folder = In Ordner verschieben
folder = Ordner
tags = Schlagwörter
export-markdown = Als Markdown exportieren
export-json = Als JSON exportieren
conversation-deleted = Chat gelöscht.
some-conversations-deleted = { $count } Chats gelöscht.
conversations-deleted = Alle Chats gelöscht.
undo = Rückgängig

## Projects

projects = Projekte
projects-text = Ein Projekt hält Anweisungen, Dateien und Chats zusammen. Seine Chats finden Stellen in seinen Dateien und zitieren sie mit Nummern.
project-name = Name des Projekts
new-project = Neues Projekt
project-instructions = Anweisungen: werden dem Modell zu Beginn jedes Chats dieses Projekts gesendet
project-files = Dateien
projects-empty = Noch nichts da. Gib oben einem Projekt einen Namen, füge Dateien hinzu und beginne einen Chat: Antworten zitieren die Dateien dann mit Nummern, und ein Klick auf eine Nummer zeigt die Stelle.
project-file = { $size } Text · Abschnitte: { $count }, nach Bedeutung: { $embedded }
delete-project = Projekt löschen
embedding-proposal = Dateien werden nach Wörtern durchsucht. Ein kleines Embedding-Modell findet auch Stellen, die dasselbe anders sagen; am besten auf Englisch.
embedding-download = all-MiniLM-L6-v2 herunterladen (etwa 25 MB)
embedding-source = Die Adresse ist aus anderen Projekten bekannt; die Größe ist berechnet und wurde nicht geprüft.
embedding-files = Dateien werden für die Suche nach Bedeutung vorbereitet. Das pausiert, während du auf eine Antwort wartest, und im Akkubetrieb.
embedding-failed = Das Embedding-Modell hat keine Vektoren geliefert. Wähle in den Einstellungen ein anderes.

## Models

model = Modell
models = Modelle
loading = Wird geladen …
select-model = Modell auswählen
models-here = Auf diesem Gerät
advanced = Erweitert
all-models = Alle Modelle
demo-model = Demo-Modell
demo-model-text = SmolLM2 135M Instruct, 98 MB: klein und schnell, gut zum Ausprobieren.
demo-model-offer = ein kleines Demo-Modell, 98 MB. Es wird mit deiner ersten Nachricht geladen oder gleich jetzt:
load-model = Modell laden
linked-model = Der aufgerufene Link möchte { $name } von { $host } laden.
linked-model-with-size = Der aufgerufene Link möchte { $name } (etwa { $size }) von { $host } laden.
linked-model-replaces = Es würde { $name } ersetzen, das andere Tabs vielleicht gerade verwenden.
load = Laden
unload = Entladen
view-details = Details anzeigen
use-model = Verwenden
resume = Fortsetzen
pause = Pausieren
load-from-url = Von URL laden
load-from-url-text = Eine GGUF-Datei oder eine Datei auf Hugging Face als owner/repository/file.gguf. Vor dem Laden siehst du die Details.
invalid-url = Das ist keine gültige URL.
load-from-file = Aus Datei laden
load-from-file-text = Du kannst die Datei auch irgendwo auf der Chat-Seite ablegen.
choose-and-remember = Auswählen und merken
model-details = { $gpu } auf der GPU, bis zu { $memory } RAM · Kontextlänge { $tokens } Tokens · in { $seconds } s geladen · { $adapter }
model-details-cpu = Modelldatei { $gpu }, bis zu { $memory } RAM · Kontextlänge { $tokens } Tokens · in { $seconds } s geladen · { $adapter }
unload-when-idle = Bei Inaktivität entladen
never = Nie
after-time = Nach { $time }
starting-engine = Engine wird gestartet
downloading-model = Modell wird heruntergeladen
uploading-model = Modell wird in den Speicher geladen
preparing = Wird vorbereitet
loading-model = Modell wird geladen
fetching-model = { $name } wird heruntergeladen
model-fetched = { $name } ist bereit.
part-of = { $part } von { $whole }
time-left = noch { $time }
load-with-context = Mit { $tokens } Tokens Kontext laden
try-context = Mit { $tokens } Tokens Kontext versuchen
try-again = Erneut versuchen
software-webgpu = Es wurde keine nutzbare GPU gefunden, daher emuliert dieser Browser WebGPU auf der CPU. Antworten werden langsam sein.
runs-on-cpu = Keine GPU verfügbar: Das Modell läuft auf der CPU und ist langsamer.
self-test-fallback = Einige GPU-Kernel liefern in diesem Browser falsche Ergebnisse, daher verwendet Parlance einfachere. Die Antworten stimmen, kommen aber langsamer. Ein Update des Browsers oder Grafiktreibers kann helfen.
self-test-failed = Die GPU liefert in diesem Browser falsche Ergebnisse, daher läuft das Modell auf der CPU und ist langsamer. Ein Update des Browsers oder Grafiktreibers kann helfen.
compute-device = Rechengerät
device-auto = Automatisch
device-gpu = GPU (WebGPU)
device-cpu = CPU
kv-cache-quantization = KV-Cache-Quantisierung (8 Bit): etwa halb so viel GPU-Speicher pro Chat, etwas weniger genau
reading-header = Modell-Metadaten werden gelesen …
parameters = { $count } Parameter
in-files = in { $count } Dateien
memory-estimate = Belegt { $total } GPU-Speicher: { $weights } für die Gewichte, { $context } für den KV-Cache ({ $tokens } Tokens Kontext), { $scratch } für Zwischenspeicher.
context-length = Kontextlänge
context-tokens = { $tokens } Tokens Kontext
cannot-chat = Das ist ein Embedding-Modell; damit kann man nicht chatten. Wähle ein anderes Modell.
sees-with = Sieht Bilder mit { $name }.
draft-model = Entwurfsmodell (schneller): { $name }, { $size }
drafts-with = { $name } entwirft seine Antworten.
sees-images = sieht Bilder
model-that-sees = { $model } sieht Bilder.
already-downloaded = Bereits auf diesem Gerät.
partly-downloaded = { $size } sind schon heruntergeladen.
storage-insufficient = Zum Speichern werden { $missing } benötigt, der Browser hat aber nur noch { $free } frei: Das Modell wird geladen, aber nicht gespeichert.
storage-needed = Zum Speichern werden { $missing } benötigt, { $free } sind frei.
all-families = Alle
model-families = Modellfamilien
filter-models = Nach Name, Familie oder Lizenz filtern
add-model = Modell hinzufügen
catalogue-unavailable = Die Modellliste konnte nicht geladen werden. Füge ein Modell per URL oder aus einer Datei hinzu.
no-models-found = Keine Ergebnisse. Versuche es mit weniger Wörtern oder einer anderen Familie, oder füge ein Modell per URL oder aus einer Datei hinzu.
needs-memory = benötigt etwa { $size } Speicher
fit-good = Sollte auf diesem Gerät laufen
fit-tight = Läuft vielleicht auf diesem Gerät
fit-too-large = Wahrscheinlich zu groß für dieses Gerät
fit-unknown = Gerätespeicher unbekannt
model-source = Quelle:
source-checked = Größe und Prüfsumme stimmen mit anderen öffentlichen Angaben überein.
source-unchecked = Nicht geprüft: Die Größe ist ungefähr, die Prüfsumme kommt mit dem Download.
hub-search = { $host } durchsuchen
hub-not-allowed = Sobald du diesen Host erlaubst, kannst du hier Tausende Modelle durchsuchen. Dorthin gehen nur deine Suchwörter und Downloads.
hub-words = Ein Modell suchen
search = Suchen
searching = Suche läuft …
hub-nothing-found = Keine Ergebnisse. Nur Repositorys mit GGUF-Dateien werden aufgeführt. Versuche es mit weniger Wörtern, etwa dem Namen eines Modells.
hub-refused = Der Server lehnt ab: Das erfordert ein Zugriffstoken oder ein anderes.
hub-failed = Der Server konnte nicht durchsucht werden ({ $detail }). Prüfe die Verbindung und versuche es noch einmal.
licence-unknown = Lizenz nicht angegeben
downloads = { $count } Downloads
gated = zugangsbeschränkt
gated-help = Um diese Dateien herunterzuladen, akzeptiere die Bedingungen auf der Seite des Repositorys und gib unten dein Zugriffstoken ein.
repository-page = Seite des Repositorys
hub-no-models = Dieses Repository hat kein vollständiges GGUF-Modell.
hub-incomplete = { $count ->
    [one] { $count } Modell ist unvollständig und nicht aufgeführt.
   *[other] { $count } Modelle sind unvollständig und nicht aufgeführt.
}
with-images = Sieht Bilder: { $name } ({ $size })
hub-access = Zugriffstoken und Server
hub-token = Zugriffstoken für zugangsbeschränkte Repositorys
hub-token-text = Es bleibt auf diesem Gerät und wird nur an { $host } gesendet.
hub-token-invalid = Ein Token hat keine Leerzeichen und nur ASCII-Zeichen.
hub-server = Ein anderer Server
hub-server-text = Ein Spiegel mit derselben API. Leer lassen für Hugging Face.
about-speech = Macht aus Sprache Text.
about-bundled = Wird mit dieser Website geliefert und funktioniert offline. Gut zum Ausprobieren.
about-tiny = Läuft fast überall. Für kurze Texte und einfache Fragen.
about-small = Für alltägliche Fragen auf dem Smartphone oder einem älteren Laptop.
about-medium = Gute Antworten auf einem Laptop.
about-large = Die besten Antworten, für Computer mit Grafikkarte.
about-reasoning = Denkt nach, bevor es antwortet. Gut in Mathematik und Logik.
about-code = Schreibt und erklärt Code.
about-tools = Nutzt Tools und hält sich genau an Anweisungen.
about-open = Vollständig offen: Auch Trainingsdaten und Code sind öffentlich.

## Storage

storage = Speicher
storage-persistent = Der Browser behält diese Dateien, bis du sie löschst.
storage-evictable = Der Browser darf diese Dateien löschen, wenn der Speicherplatz knapp wird.
persist = Dateien behalten
import-model = Modell importieren
import-model-text = Kopiert eine GGUF-Datei von deiner Festplatte in den Speicher dieses Browsers.
storage-used = { $used } von { $quota } für diese Website belegt.
projector = lässt ein Modell Bilder sehen
images-stored = { $count ->
    [one] { $count } Bild in Chats: { $size }.
   *[other] { $count } Bilder in Chats: { $size }.
}
no-downloaded-models = Noch keine Modelle heruntergeladen. Wähle eines aus der Liste der Modelle; es bleibt hier gespeichert.
download-incomplete = { $done } von { $total } heruntergeladen
used-ago = vor { $time } verwendet
never-used = nie verwendet
file-intact = Die Datei ist in Ordnung.
file-damaged = Die Datei ist beschädigt. Lösche sie und lade sie erneut herunter.
verifying = Wird überprüft …
checksum-verified = Prüfsumme bestätigt
verify = Überprüfen
delete-permanently = Endgültig löschen
cancel = Abbrechen

## Settings

settings = Einstellungen
search-settings = Einstellungen durchsuchen
no-settings-found = Keine Ergebnisse. Versuche es mit einem einzigen Wort, etwa „{ theme }“ oder „{ temperature }“.
pages = Seiten
chat = Chat
interface = Oberfläche
language = Sprache
language-default = Wie im Browser
theme = Design
theme-system = System
theme-light = Hell
theme-dark = Dunkel
compact = Kompaktes Layout
enter-sends = Mit Enter senden (Umschalt+Enter für eine neue Zeile). Ist das aus, sendet Strg+Enter.
sampling = Sampling
preset-precise = Präzise
preset-balanced = Ausgewogen
preset-creative = Kreativ
own-sampling = Dieser Chat hat eigene Sampling-Einstellungen
temperature = Temperatur
temperature-help = Wie zufällig die Ausgabe ist. 0 wählt immer das wahrscheinlichste Token.
top-p = Top P
top-p-help = Berücksichtigt nur die wahrscheinlichsten Tokens, deren Wahrscheinlichkeiten zusammen diesen Wert erreichen. 1 schaltet es aus.
top-k = Top K
top-k-help = Berücksichtigt nur so viele der wahrscheinlichsten Tokens. 0 schaltet es aus.
min-p = Min P
min-p-help = Ignoriert Tokens, die weniger wahrscheinlich sind als dieser Bruchteil des wahrscheinlichsten. 0 schaltet es aus.
repetition-penalty = Wiederholungsstrafe
repetition-penalty-help = Macht bereits verwendete Tokens unwahrscheinlicher. 1 schaltet es aus; kleine Modelle brauchen ein wenig davon.
max-tokens = Max. Tokens
max-tokens-help = Längste Antwort. Ein Token ist ein Wort oder ein Teil davon. Leer: der gesamte restliche Kontext.
seed = Seed
seed-help = Derselbe Seed ergibt auf denselben Prompt dieselbe Antwort. Leer: ein zufälliger.
system-prompt = System-Prompt
system-prompt-text = Wird am Anfang jedes Chats an das Modell gesendet.
system-prompt-example = Du bist ein hilfreicher Assistent. Fasse dich kurz.
reasoning = Reasoning: Modelle, die das können, denken nach, bevor sie antworten
tool-use = Tools: Modelle dürfen einen Taschenrechner und eine Uhr verwenden. Aufrufe werden bei der Antwort angezeigt.
speculative-decoding = Spekulatives Decoding (Prompt Lookup): Text, der den Chat wiederholt, wird schneller generiert
context-overflow = Kontextüberlauf: Wird ein Chat zu lang für den Kontext, die ältesten Nachrichten weglassen. Eine Linie zeigt, wo.
embedding-model = Embedding-Modell für lange Dateien
embedding-model-text = Dateien, die zu lang für den Kontext sind, werden nach den für deine Nachricht relevanten Abschnitten durchsucht: mit einem Embedding-Modell nach Bedeutung, ohne eines nach Stichwörtern.
ranker = Ranker für Projekte
ranker-text = Liest die 20 besten Abschnitte der Dateien eines Projekts zusammen mit deiner Nachricht und wählt bis zu 8 davon aus. Ohne Ranker werden sie so gesendet, wie sie gefunden wurden.
personas = Personas
personas-text = System-Prompts zum Umschalten, die unter dem System-Prompt angeboten werden.
prompts = Prompts
prompts-text = Texte, die du oft verwendest. Tippe / und den Anfang eines Namens, um einen einzufügen. Platzhalter in doppelten geschweiften Klammern werden markiert, damit du sie ausfüllen kannst.
name = Name
text = Text
add = Hinzufügen
data = Deine Daten
data-text = Chats werden in diesem Browser gespeichert und sonst nirgends.
library-newer = In einem anderen Tab wurde eine neuere Version von Parlance geöffnet. Lade diese Seite neu, um sie zu aktualisieren.
library-full = Der Speicher dieses Geräts ist voll; neue Nachrichten werden nicht gespeichert. Lösche ein Modell oder Chats, die du nicht mehr brauchst.
export-all-json = Alle als JSON exportieren
export-all-markdown = Alle als Markdown exportieren
import-conversations = Chats importieren
import-conversations-text = JSON-Dateien, die aus Parlance, ChatGPT oder Open WebUI exportiert wurden.
imported = { $added ->
    [one] { $added } Chat importiert
   *[other] { $added } Chats importiert
}, { $known } schon vorhanden.
delete-all = Alle Chats löschen
delete-all-text = Das löscht alle Chats mit ihren Anhängen, Entwürfen und gespeicherten KV-Caches. Modelle und Einstellungen bleiben erhalten.

## Performance

performance = Leistung
generation-speed = Tokens pro Sekunde je Antwort
no-responses = Die Antworten dieses Besuchs erscheinen hier.
no-model-loaded = Kein Modell geladen. Lade eines, um Geschwindigkeit und Speicherbedarf zu sehen.
last-response = Letzte Antwort: { $rate } Tok/s, Prompt-Verarbeitung { $prefill } Tok/s, Zeit bis zum ersten Token { $seconds } s
adapter = GPU
features = Verwendete optionale Funktionen
weights = Gewichte
kv-cache = KV-Cache
peak-ram = Maximaler RAM-Bedarf
benchmark = Benchmark
benchmark-text = Generiert drei Antworten mit je 64 Tokens und zeigt die Mediane.
run-benchmark = Benchmark starten
benchmark-result = { $rate } Tok/s, Prompt-Verarbeitung { $prefill } Tok/s, Zeit bis zum ersten Token { $seconds } s
copy-result = Ergebnis kopieren

## Playground

playground = Playground
playground-text = Strukturierte Ausgabe: Die Antwort entspricht immer dem JSON-Schema.
playground-prompt = Beschreibe die Hauptstadt von Frankreich.
prompt = Prompt
json-schema = JSON-Schema
generate = Generieren
response = Antwort
chat-system-prompt = System-Prompt für diesen Chat
chat-system-prompt-text = Wird am Anfang dieses Chats an das Modell gesendet. Leer: der aus den Einstellungen.
save = Speichern

## Shortcuts

shortcuts = Tastenkürzel
palette = Befehle
palette-hint = Befehle, Seiten und Chats suchen
no-commands-found = Keine Ergebnisse. Versuche es mit dem Namen einer Seite oder mit Wörtern aus dem Titel eines Chats.
shortcut-help = Diese Liste anzeigen
shortcut-search = Chats durchsuchen
shortcut-sidebar = Seitenleiste ein- oder ausblenden
shortcut-stop = Generierung stoppen
shortcut-prompts = Prompt einfügen
shortcut-newline = Neue Zeile

## General

close = Schließen
page-crashed = In Parlance ist ein interner Fehler aufgetreten. Deine Chats sind gespeichert; lade die Seite neu, um fortzufahren.
model-recovered = Etwas ist schiefgegangen ({ $message }). Das Modell wurde neu geladen und macht weiter.
engine-restarted = Die Engine ist abgestürzt ({ $message }) und wurde neu gestartet. Es ging nichts verloren.
reload = Neu laden
new-version = Eine neue Version von Parlance ist verfügbar.
not-found-title = Seite nicht gefunden
not-found-text = Prüfe die Adresse auf Tippfehler.
go-to-chat = Zum Chat
help-network = Prüfe die URL und deine Verbindung und versuche es erneut. Andere Websites müssen dieser erlauben, ihre Dateien zu lesen (CORS).
help-not-allowed = Parlance verbindet sich nur mit der eigenen Website und mit Hosts, die du erlaubt hast.
allow-host = { $host } erlauben und neu laden
allowed-elsewhere = Dieser Host ist jetzt erlaubt, aber ein anderer Parlance-Tab wurde vorher geöffnet. Schließe ihn oder lade ihn neu.
allowed-hosts = Erlaubte Hosts
allowed-hosts-text = Außer von sich selbst darf diese Website Modelle von diesen Hosts laden. Chats werden nie an sie gesendet.
help-other-model = Wähle ein anderes Modell oder das Demo-Modell.
help-storage = Speicher verwalten
help-new-chat = Starte einen neuen Chat oder aktiviere den Kontextüberlauf in den Einstellungen.
webgpu-intro = Parlance führt Modelle über WebGPU auf deiner GPU aus. Diese Browser unterstützen es:
webgpu-hint = Wenn du einen davon verwendest, prüfe, ob in seinen Einstellungen die Hardwarebeschleunigung aktiviert ist und die Seite über https oder von localhost geöffnet wurde.
webgpu-chrome = Unter Linux auf 144 oder neuer aktualisieren; ist WebGPU dann noch aus, unter chrome://flags/#enable-unsafe-webgpu aktivieren.
webgpu-safari = Aktualisiere das Betriebssystem; Safari wird damit aktualisiert.
webgpu-firefox = Auf anderen Systemen in about:config dom.webgpu.enabled auf true setzen oder Chrome verwenden.

## Failures

failure-no-webgpu = Dieser Browser unterstützt WebGPU nicht.
failure-no-gpu = WebGPU hat keine nutzbare GPU gefunden ({ $detail }).
failure-http-status = Das Modell konnte nicht heruntergeladen werden: Der Server antwortete mit { $status } für { $url }.
failure-network = Das Modell konnte nicht heruntergeladen werden: { $detail }.
failure-bad-answer = Das Modell konnte nicht heruntergeladen werden: Die Antwort des Servers ist ungültig ({ $detail }).
failure-not-allowed = Diese Seite darf sich nicht mit { $host } verbinden: Du hast es noch nicht erlaubt.
failure-changed = Das Modell konnte nicht heruntergeladen werden: Die Datei hat sich während des Downloads geändert. Versuche es erneut.
failure-damaged = Das Modell auf diesem Gerät war beschädigt und wurde entfernt. Lade es erneut.
failure-wrong-checksum = „{ $name }“ wurde abgelehnt: Die Prüfsumme stimmt nicht mit der überein, die URL oder Host angeben. Es wurde nichts gespeichert.
failure-unusable-copy = Die Datei auf diesem Gerät hat die richtige Prüfsumme, lässt sich aber nicht als Modell laden: { $detail }. Ein erneuter Download würde nicht helfen.
failure-bad-pin = Der Teil der Modell-URL nach „#“ ist keine gültige Prüfsumme: Er muss aus „sha256=“ und 64 Hexadezimalziffern für jede Datei des Modells (Anzahl der Dateien: { $files }) bestehen, durch Kommas getrennt.
failure-not-gguf = Das ist keine GGUF-Modelldatei: Sie beginnt mit { $detail } statt mit „GGUF“.
failure-gguf-version = GGUF-Version { $version } wird nicht unterstützt, nur die Versionen 2 und 3.
failure-cut-short = Die Modelldatei ist unvollständig: Sie hat { $length } von mindestens { $needed }. Lade sie erneut herunter.
failure-malformed = Die Modelldatei ist beschädigt: { $detail }.
failure-missing-entry = In der Modelldatei fehlt der Metadateneintrag „{ $name }“, oder er hat den falschen Typ.
failure-missing-tensor = In der Modelldatei fehlt der Tensor „{ $name }“.
failure-architecture = Modelle mit der Architektur „{ $name }“ werden noch nicht unterstützt.
failure-format = Der Tensor „{ $tensor }“ ist als { $format } gespeichert, was noch nicht unterstützt wird.
failure-tokenizer = Der Tokenizer des Modells kann nicht verwendet werden: { $detail }.
failure-template = Das Chat-Template des Modells ist fehlgeschlagen: { $detail }.
failure-gpu = Die GPU hat einen Fehler gemeldet: { $detail }.
failure-wrong-results = Die GPU liefert in diesem Browser falsche Ergebnisse; das liegt am Browser oder am Grafiktreiber. Das Modell kann auf der CPU laufen.
failure-too-large = Das Modell passt nicht auf dieses Gerät: { $detail }.
failure-out-of-memory = Dieses Gerät hat nicht genug Speicher für dieses Modell, auch nicht mit kleinem Kontext; versuche ein kleineres Modell ({ $detail }).
failure-context-too-large = Ein Kontext von { $tokens } Tokens passt nicht auf dieses Gerät; { $room } Tokens würden passen.
failure-context-full = Kontextlänge überschritten: Dieser Chat hat { $tokens } Tokens, die Kontextlänge beträgt aber { $room }.
failure-question-too-long = Kontextlänge überschritten: Mit System-Prompt, Anhängen und der bisherigen Antwort hat allein die letzte Nachricht { $tokens } Tokens, die Kontextlänge beträgt aber { $room }. Kürze sie, hänge weniger an oder wähle einen größeren Kontext.
failure-cannot-chat = Das ist ein Embedding-Modell; damit kann man nicht chatten.
failure-cannot-see = { $model } kann keine Bilder sehen.
failure-hears-nothing = { $model } kann keine Aufnahmen hören.
failure-wrong-projector = Mit „{ $name }“ kann dieses Modell keine Bilder sehen: { $detail }.
failure-wrong-draft = Dieses Modell kann keine Entwürfe für das andere machen: { $detail }.
failure-cannot-hear = Das geladene Modell kann nicht hören; benötigt wird ein Modell für Spracherkennung.
failure-recording = Die Aufnahme kann nicht abgeschrieben werden: { $detail }.
failure-only-chats = Geladen ist ein Chat-Modell; benötigt wird ein Embedding-Modell.
failure-no-model = Kein Modell geladen. Lade zuerst eines.
failure-queue-full = Es warten zu viele Anfragen. Versuche es später erneut.
failure-no-storage = Dieser Browser bietet keinen Dateispeicher.
failure-not-kept = Dieses Modell ist nicht mehr auf diesem Gerät.
failure-storage-full = Der Speicher dieses Geräts ist voll. Lösche ein Modell, das du nicht mehr brauchst.
failure-storage-full-by = Der Speicher dieses Geräts ist voll: { $needed } benötigt, { $free } frei. Lösche ein Modell, das du nicht mehr brauchst.
failure-storage = Der Speicher dieses Geräts kann nicht verwendet werden: { $detail }.
failure-field = Das Anfragefeld „{ $name }“ ist ungültig: { $detail }.
failure-grammar = Das Antwortformat lässt sich nicht erzwingen: { $detail }.
failure-bad-address = Die URL des Modells ist ungültig.
failure-several-models = Wähle eine GGUF-Datei oder alle Teile eines aufgeteilten Modells.
failure-interrupted = Gestoppt.
failure-engine-stopped = Die Engine ist abgestürzt: { $detail }. Dein Chat ist noch da; versuche es erneut.
warning-no-template = Die Modelldatei hat kein Chat-Template; stattdessen wird ChatML verwendet.
warning-unusable-template = Das Chat-Template des Modells ist nicht verwendbar ({ $detail }); stattdessen wird ChatML verwendet.
warning-distrusted-template = Das Chat-Template des Modells hat die Engine bei einem früheren Versuch beendet; stattdessen wird ChatML verwendet.
warning-not-stored = Das Modell wurde nicht auf diesem Gerät gespeichert und muss erneut heruntergeladen werden. { $reason }
warning-smaller-context = Für einen Kontext von { $tokens } Tokens reicht der Speicher nicht; er hat { $room }. Ein kleineres Modell ließe mehr Platz.

## Quantities

millions = { $number } Millionen
billions = { $number } Milliarden
under-a-second = weniger als eine Sekunde
days = { $count } Tagen
