# Die Oberfläche auf Deutsch.

## Conversation

you = Du
assistant = Parlance
conversation = Unterhaltung
message = Nachricht
send = Senden
stop = Anhalten
attach = Textdateien anhängen
remove = Entfernen
file-is-image = { $name } ist ein Bild. Angehängt werden kann nur Text.
file-is-pdf = { $name } ist ein PDF, dessen Text hier nicht gelesen werden kann. Speichere es als Textdatei, oder füge den Text ein.
file-is-binary = { $name } ist keine Textdatei.
file-not-utf8 = { $name } ist nicht in UTF-8 kodiert. Speichere die Datei als UTF-8 und hänge sie noch einmal an.
file-too-large = { $name } hat { $size }. Die Dateien einer Frage dürfen zusammen { $limit } haben.
file-unreadable = { $name } konnte nicht gelesen werden.
waiting-for-model = Warte auf das Modell
reading-prompt = Liest, { $percent } %
thinking = Denkt nach …
thought-for = { $time } nachgedacht
answer-begins = Die Antwort wird geschrieben.
answer-is-there = Die Antwort ist da.
cut-off = Die Seite wurde geschlossen, bevor die Antwort fertig war.
answered-elsewhere = Die Antwort entsteht in einem anderen Tab.
ended-at-limit = an der Grenze abgeschnitten
ended-by-user = angehalten
context-mark = Ältere Nachrichten über dieser Linie werden dem Modell nicht mehr gegeben.
token-count = { $count ->
    [one] { $count } Token
   *[other] { $count } Tokens
}
tokens-per-second = { $rate } Tokens/s
answer-details = { $prompt } Tokens Eingabe ({ $cached } davon im Cache), erstes Token nach { $seconds } s
copy = Kopieren
copied = Kopiert
download = Herunterladen
edit = Bearbeiten
edit-message = Nachricht bearbeiten
ask-again = Neu fragen
regenerate = Andere Antwort
continue = Weiter
sources = Quellen
about-tokens = etwa { $count } Tokens
exact-tokens = { $count } Tokens
read-aloud = Vorlesen
delete = Löschen
previous-branch = Vorige Fassung
next-branch = Nächste Fassung
branch-place = { $place } von { $count }
message-deleted = Die Nachricht und alles, was folgte, wurden gelöscht.
fine-print = Läuft auf diesem Gerät. Nichts, was du schreibst, verlässt es.
welcome-title = Frag, was du willst. Es bleibt hier.
welcome-text = Parlance führt ein Sprachmodell in diesem Tab aus, auf deiner eigenen GPU: kein Konto, kein Server, niemand hört mit.
welcome-text-cpu = Parlance führt ein Sprachmodell in diesem Tab aus, auf deinem eigenen Prozessor: kein Konto, kein Server, niemand hört mit.
jump-to-latest = Zum Neuesten
drop-here = Dateien hier ablegen: Texte gehören zur Nachricht, eine GGUF-Datei wird als Modell angesehen.
suggestion-fact = Was ist die Hauptstadt von Frankreich?
suggestion-explain = Erkläre in zwei Sätzen, warum der Himmel blau ist
suggestion-write = Schreibe ein Haiku über das Meer

## Conversations

conversations = Unterhaltungen
new-chat = Neue Unterhaltung
search-conversations = Unterhaltungen durchsuchen
no-conversations = Hier erscheint, worüber ihr sprecht.
nothing-found = Nichts gefunden.
pinned = Angeheftet
last-day = Letzte 24 Stunden
last-week = Letzte 7 Tage
last-month = Letzte 30 Tage
older = Älter
more = Mehr
rename = Umbenennen
title = Titel
pin = Anheften
unpin = Lösen
move-to-folder = In Ordner verschieben
folder = Ordner
export-markdown = Als Markdown exportieren
export-json = Als JSON exportieren
conversation-deleted = Die Unterhaltung wurde gelöscht.
conversations-deleted = Alle Unterhaltungen wurden gelöscht.
undo = Rückgängig

## Models

model = Modell
models = Modelle
no-model = Kein Modell
loading = Lädt …
choose-model = Modell wählen
all-models = Alle Modelle
demo-model = Probemodell
demo-model-text = SmolLM2 135M Instruct, 98 MB: klein und schnell, gut für einen ersten Blick.
demo-model-offer = 98 MB, ein kleines Probemodell. Es lädt mit deiner ersten Nachricht oder sofort:
load-model = Modell laden
linked-model = Ein Link verlangt das Modell { $name } von { $host }.
linked-model-of-size = Ein Link verlangt das Modell { $name } von { $host }, etwa { $size }.
linked-model-replaces = Es würde { $name } ersetzen, das vielleicht auch andere Tabs benutzen.
load = Laden
unload = Entladen
look = Ansehen
use-model = Verwenden
resume = Fortsetzen
pause = Pause
from-address = Von einer Adresse
from-address-text = Eine GGUF-Datei oder eine von Hugging Face als Besitzer/Repository/Datei.gguf. Du siehst, was es ist, bevor es lädt.
not-an-address = Das ist keine Adresse einer Datei.
from-device = Von diesem Gerät
choose-and-remember = Wählen und merken
from-device-text = Oder ziehe sie irgendwo auf die Seite.
model-details = { $gpu } auf der GPU, höchstens { $memory } daneben · Kontext von { $tokens } Tokens · in { $seconds } s geladen · { $adapter }
model-details-cpu = { $gpu } gelesen, höchstens { $memory } belegt · Kontext von { $tokens } Tokens · in { $seconds } s geladen · { $adapter }
idle-unload = Speicher freigeben, wenn unbenutzt
never = Nie
after-time = Nach { $time }
opening-gpu = GPU wird geöffnet
downloading-model = Modell wird heruntergeladen
uploading-model = Modell kommt auf die GPU
getting-ready = Wird vorbereitet
loading-model = Modell wird geladen
part-of = { $part } von { $whole }
time-left = noch { $time }
load-with-context = Mit einem Kontext von { $tokens } Tokens laden
plan-for = Mit { $tokens } Tokens planen
try-again = Noch einmal versuchen
computes-on-cpu = Dieser Browser rechnet auf der CPU, weil er keine GPU fand, die er benutzen darf. Antworten brauchen lange.
runs-on-cpu = Keine GPU hier: Das Modell läuft auf dem Prozessor, langsamer.
computes-plainly = Ein Teil der Berechnungen auf der GPU ist in diesem Browser falsch, daher rechnet Parlance hier auf einfachere Weise: Die Antworten stimmen, kommen aber langsamer. Eine Aktualisierung des Browsers oder des Grafiktreibers kann helfen.
gpu-computes-wrongly = Die GPU rechnet in diesem Browser falsch, daher läuft das Modell auf dem Prozessor, langsamer. Eine Aktualisierung des Browsers oder des Grafiktreibers kann helfen.
compute-on = Rechnen auf
compute-auto = Automatisch
compute-gpu = GPU (WebGPU)
compute-cpu = Prozessor
small-cache = Gespräche in der Hälfte des GPU-Speichers halten (8 Bit: etwas weniger genau)
reading-header = Wird gelesen …
parameters = { $count } Parameter
in-files = in { $count } Dateien
takes-memory = Braucht { $total } GPU-Speicher: { $weights } für Gewichte, { $context } für einen Kontext von { $tokens } Tokens, { $scratch } zum Rechnen.
context = Kontext
context-of = Kontext von { $tokens } Tokens
cannot-chat = Dieses Modell macht aus Texten Vektoren; es kann nicht chatten. Wähle ein anderes.
is-here = Ist schon auf diesem Gerät.
partly-here = { $size } davon sind schon hier.
room-is-missing = Zum Behalten braucht es { $missing }, und der Browser hat nur noch { $free }: Es wird geladen, aber nicht behalten.
room-is-there = Zum Behalten braucht es { $missing } von { $free }, die frei sind.
all-families = Alle
families = Familien
filter-models = Nach Name, Familie, Lizenz filtern
add-model = Modell hinzufügen
no-catalogue = Die Liste der Modelle konnte nicht gelesen werden. Füge eines über seine Adresse oder aus einer Datei hinzu.
needs-memory = braucht etwa { $size }
fit-good = Passt auf dieses Gerät
fit-tight = Passt vielleicht auf dieses Gerät
fit-too-large = Zu groß für dieses Gerät
fit-unknown = Dieser Browser sagt nicht, wie viel Speicher es gibt
about-bundled = Kommt mit dieser Seite und braucht kein Netz. Für einen ersten Blick.
about-tiny = Läuft fast überall. Für kurze Texte und einfache Fragen.
about-small = Für alltägliche Fragen auf dem Telefon oder einem alten Laptop.
about-medium = Gute Antworten auf einem Laptop.
about-large = Die besten Antworten, für einen Rechner mit Grafikkarte.
about-thinks = Denkt nach, bevor es antwortet. Gut im Rechnen und in Logik.
about-code = Schreibt und erklärt Programme.
about-tools = Ruft Werkzeuge auf und folgt Anweisungen genau.
about-open = Auch seine Trainingsdaten und sein Code sind öffentlich.

## Storage

storage = Auf diesem Gerät
looking = Wird nachgesehen …
is-persisted = Der Browser behält diese Dateien, bis du sie löschst.
is-not-persisted = Der Browser darf diese Dateien löschen, wenn der Platz knapp wird.
persist = Behalten
import-title = Eine Datei hierher kopieren
import-text = Eine GGUF-Datei von deiner Festplatte, damit sie das nächste Mal hier ist.
room-used = { $used } von { $quota }, die der Browser dieser Seite gibt, sind belegt.
no-kept-models = Noch liegt hier kein Modell. Das erste, das du lädst, bleibt hier.
partly-kept = { $done } von { $total }; Laden vervollständigt es
used-ago = vor { $time } benutzt
never-used = nie benutzt
is-intact = Es ist unversehrt.
is-damaged = Es ist beschädigt. Lösche es und lade es neu.
is-being-read = Wird gelesen …
checksum-verified = Prüfsumme stimmt
verify = Prüfen
delete-for-good = Endgültig löschen
cancel = Abbrechen

## Settings

settings = Einstellungen
pages = Seiten
chat = Chat
looks = Oberfläche
language = Sprache
language-of-browser = Wie der Browser
theme = Farben
theme-system = Wie das System
theme-light = Hell
theme-dark = Dunkel
compact = Kompakt: weniger Abstand zwischen den Zeilen
enter-sends = Enter sendet, Umschalt+Enter macht eine neue Zeile. Sonst sendet Strg+Enter.
sampling = Wie Antworten gewählt werden
preset-precise = Genau
preset-balanced = Ausgewogen
preset-creative = Kreativ
temperature = Temperatur
temperature-help = Wie abenteuerlich Wörter gewählt werden. 0 nimmt immer das wahrscheinlichste.
top-p = Top-p
top-p-help = Nur die wahrscheinlichsten Wörter, die zusammen diese Wahrscheinlichkeit erreichen. 1 nimmt alle.
top-k = Top-k
top-k-help = Nur so viele der wahrscheinlichsten Wörter. 0 nimmt alle.
min-p = Min-p
min-p-help = Lässt Wörter weg, die weniger als diesen Anteil so wahrscheinlich sind wie das wahrscheinlichste.
repetition-penalty = Strafe für Wiederholungen
repetition-penalty-help = Macht schon benutzte Wörter unwahrscheinlicher. 1 ändert nichts; kleine Modelle brauchen ein wenig.
max-tokens = Längste Antwort in Tokens
max-tokens-help = Ein Token ist ein Wort oder ein Teil davon. Leer: so lang, wie im Kontext Platz ist.
seed = Startwert
seed-help = Dieselbe Zahl gibt dieselbe Antwort auf dieselbe Frage. Leer: jedes Mal eine andere.
system-prompt = Anweisungen an das Modell
system-prompt-text = Was dem Modell vor jeder Unterhaltung gesagt wird.
system-prompt-example = Du bist ein hilfreicher Assistent. Antworte kurz.
thinks = Modelle, die vorher nachdenken können, tun es
uses-tools = Modelle dürfen einen Taschenrechner und eine Uhr benutzen. Ihre Aufrufe stehen bei der Antwort.
guesses-ahead = Vorausraten: Was das Gespräch wiederholt, kommt schneller
drops-oldest = In langen Unterhaltungen die ältesten Fragen und Antworten weglassen, wenn der Kontext voll ist. Eine Linie zeigt, welche.
embedding-model = Modell, das lange Dateien durchsucht
embedding-model-text = Dateien, die nicht in den Kontext passen, werden nach den Stellen durchsucht, auf die es bei der Frage ankommt: mit einem Embedding-Modell nach ihrer Bedeutung, ohne nach ihren Wörtern.
personas = Rollen
personas-text = Anweisungen zum Wechseln. Sie werden oben angeboten.
prompts = Vorlagen
prompts-text = Texte, die du oft brauchst. Schreibe / und den Anfang eines Namens, um einen einzufügen. Was in doppelten geschweiften Klammern steht, wird markiert, damit du es ersetzt.
name = Name
text = Text
add = Hinzufügen
data = Deine Daten
data-text = Unterhaltungen liegen in diesem Browser und sonst nirgends.
library-newer = Eine neuere Version von Parlance war in einem anderen Tab hier. Lade diese Seite neu, um sie zu bekommen.
library-full = Der Speicher dieses Geräts ist voll: Was jetzt gesagt wird, wird nicht aufbewahrt. Lösche ein Modell oder Unterhaltungen, die du nicht brauchst.
export-all-json = Alle als JSON exportieren
export-all-markdown = Alle als Markdown exportieren
import-conversations = Unterhaltungen importieren
import-conversations-text = JSON-Dateien, die Parlance, ChatGPT oder Open WebUI exportiert hat.
imported = { $added ->
    [one] { $added } Unterhaltung kam hinzu
   *[other] { $added } Unterhaltungen kamen hinzu
}, { $known } waren schon da.
delete-all = Alle Unterhaltungen löschen
delete-all-text = Das löscht alle Unterhaltungen mit ihren Dateien und Entwürfen und was von ihrer Berechnung aufbewahrt wurde. Modelle und Einstellungen bleiben.

## Performance

performance = Leistung
speed-of-answers = Tokens je Sekunde, Antwort für Antwort
no-answers = Hier erscheinen die Antworten dieses Besuchs.
no-model-to-measure = Es ist kein Modell geladen. Hier erscheinen sein Tempo und sein Speicher.
last-answer = Letzte Antwort: { $rate } Tokens/s, Eingabe gelesen mit { $prefill } Tokens/s, erstes Token nach { $seconds } s
adapter = GPU
features = Benutzte Zusatzfunktionen
weights = Gewichte auf der GPU
kv-cache = KV-Cache auf der GPU
worker-memory = Speicher neben der GPU, höchstens
benchmark = Messung
benchmark-text = Lässt das Modell drei Antworten von je 64 Tokens geben und nennt die Mediane.
run-benchmark = Messen
benchmark-result = { $rate } Tokens/s, Eingabe gelesen mit { $prefill } Tokens/s, erstes Token nach { $seconds } s
copy-result = Ergebnis kopieren

## Playground

playground = Versuchsfeld
playground-text = Verlange eine Antwort bestimmter Form: Sie passt immer zum JSON-Schema.
playground-question = Beschreibe die Hauptstadt von Frankreich.
question = Frage
json-schema = JSON-Schema
ask = Fragen
answer = Antwort
instructions = Anweisungen für diese Unterhaltung
instructions-text = Was dem Modell in dieser Unterhaltung zuerst gesagt wird. Bleibt es leer, gelten die Einstellungen.
save = Speichern

## Shortcuts

shortcuts = Tastenkürzel
shortcut-help = Diese Liste zeigen
shortcut-search = Unterhaltungen durchsuchen
shortcut-sidebar = Unterhaltungen zeigen oder verbergen
shortcut-stop = Antwort anhalten
shortcut-prompts = Vorlage einfügen
shortcut-newline = Neue Zeile

## Around

close = Schließen
page-failed = Die Seite ist auf einen eigenen Fehler gestoßen und stehen geblieben. Alles Gesagte ist aufgehoben; lade neu, um weiterzumachen.
model-recovered = Etwas ist kurz ausgefallen ({ $message }). Das Modell wurde neu geladen und macht weiter.
engine-restarted = Die Engine blieb stehen ({ $message }) und wurde neu gestartet. Nichts ging verloren.
reload = Neu laden
new-version = Eine neue Fassung von Parlance ist da.
not-found-title = Diese Seite gibt es nicht
not-found-text = Vielleicht ist die Adresse falsch geschrieben.
go-to-chat = Zum Chat
help-network = Prüfe die Adresse und deine Verbindung und versuche es noch einmal. Eine andere Seite muss dieser erlauben, ihre Dateien zu lesen (CORS).
help-not-allowed = Parlance verbindet sich nur mit seiner eigenen Website und mit Hosts, die du erlaubt hast.
allow-source = { $host } erlauben und die Seite neu öffnen
allowed-elsewhere = Dieser Host ist jetzt erlaubt, aber ein anderer Tab von Parlance wurde vorher geöffnet. Schließe ihn oder öffne ihn neu.
allowed-sources = Verbindungen
allowed-sources-text = Hosts, von denen diese Website außer von sich selbst Modelle holen darf. Unterhaltungen gehen an keinen davon.
forget = Vergessen
help-other-model = Wähle ein anderes Modell oder das Probemodell.
help-storage = Sieh nach, was auf diesem Gerät liegt
help-new-chat = Beginne eine neue Unterhaltung, oder lass in den Einstellungen die ältesten Nachrichten weglassen.
webgpu-intro = Parlance rechnet über WebGPU auf deiner GPU. Diese Browser haben es:
webgpu-hint = Ist deiner dabei, dann prüfe, ob in seinen Einstellungen die Hardwarebeschleunigung an ist und die Seite über https oder von localhost geöffnet wurde.
webgpu-chrome = Unter Linux ab 144; ist es dann noch aus, öffne chrome://flags/#enable-unsafe-webgpu und schalte es ein.
webgpu-safari = Aktualisiere das System: Der Browser kommt mit ihm.
webgpu-firefox = Anderswo öffne about:config und setze dom.webgpu.enabled auf true, oder nimm Chrome.

## Failures

failure-no-webgpu = Dieser Browser bietet kein WebGPU.
failure-no-gpu = WebGPU hat keine brauchbare GPU gefunden ({ $detail }).
failure-http-status = Das Modell konnte nicht geladen werden: Der Server antwortete mit { $status } für { $url }.
failure-network = Das Modell konnte nicht geladen werden: { $detail }.
failure-bad-answer = Das Modell konnte nicht geladen werden: Die Antwort des Servers ergibt keinen Sinn ({ $detail }).
failure-not-allowed = Diese Seite darf sich nicht mit { $host } verbinden, weil das noch niemand erlaubt hat.
failure-changed = Das Modell konnte nicht geladen werden: Die Datei an seiner Adresse hat sich inzwischen geändert. Versuche es noch einmal.
failure-damaged = Das Modell auf diesem Gerät ist beschädigt. Es wurde entfernt; lade es neu.
failure-wrong-checksum = „{ $name }“ wurde abgelehnt: Die Prüfsumme ist nicht die, die Adresse oder Server nennen. Nichts davon wird aufbewahrt.
failure-unusable-copy = Die Datei auf diesem Gerät hat die richtige Prüfsumme, aber aus ihr lässt sich kein Modell laden: { $detail }. Ein neuer Download würde nicht helfen.
failure-bad-pin = Was in der Adresse des Modells auf „#“ folgt, lässt sich nicht vergleichen: Dort muss „sha256=“ stehen und für jede Datei des Modells (Anzahl der Dateien: { $files }) eine Prüfsumme aus 64 hexadezimalen Ziffern, durch Kommas getrennt.
failure-not-gguf = Das ist keine GGUF-Modelldatei: Sie beginnt mit { $detail } und nicht mit „GGUF“.
failure-gguf-version = GGUF-Version { $version } wird nicht unterstützt, nur die Versionen 2 und 3.
failure-cut-short = Die Modelldatei ist abgeschnitten: Sie hat { $length } und braucht mindestens { $needed }. Lade sie neu herunter.
failure-malformed = Die Modelldatei ist beschädigt: { $detail }.
failure-missing-entry = Der Modelldatei fehlt der Metadateneintrag „{ $name }“, oder er hat den falschen Typ.
failure-missing-tensor = Der Modelldatei fehlt der Tensor „{ $name }“.
failure-architecture = Modelle der Architektur „{ $name }“ werden noch nicht unterstützt.
failure-format = Der Tensor „{ $tensor }“ ist als { $format } gespeichert, was noch nicht unterstützt wird.
failure-tokenizer = Der Tokenizer des Modells ist nicht verwendbar: { $detail }.
failure-template = Die Chat-Vorlage des Modells ist gescheitert: { $detail }.
failure-gpu = Die GPU hat einen Fehler gemeldet: { $detail }.
failure-wrong-results = Dieser Browser oder sein Grafiktreiber rechnet falsch. Das Modell kann auf dem Prozessor laufen.
failure-too-large = Das Modell passt nicht auf dieses Gerät: { $detail }.
failure-out-of-memory = Das Gerät hat nicht genug Speicher für dieses Modell, auch nicht mit einem kleinen Kontext. Versuche ein kleineres Modell ({ $detail }).
failure-context-too-large = Ein Kontext von { $tokens } Tokens passt nicht auf dieses Gerät; { $room } Tokens würden passen.
failure-context-full = Diese Unterhaltung hat { $tokens } Tokens, der Kontext fasst aber nur { $room }.
failure-question-too-long = Allein die letzte Frage hat mit Anweisungen, Dateien und der bisherigen Antwort { $tokens } Tokens, der Kontext fasst aber nur { $room }. Kürze sie, hänge weniger an oder wähle einen größeren Kontext.
failure-cannot-chat = Dieses Modell macht aus Texten Vektoren; es kann nicht chatten.
failure-only-chats = Das geladene Modell ist für Chats; gebraucht wird ein Embedding-Modell.
failure-no-model = Es ist kein Modell geladen. Lade zuerst eines.
failure-no-storage = Dieser Browser behält keine Dateien.
failure-not-kept = Dieses Modell ist nicht mehr auf diesem Gerät.
failure-storage-full = Der Speicherplatz dieses Geräts ist voll. Lösche ein Modell, das du nicht brauchst.
failure-storage-full-by = Der Speicherplatz dieses Geräts ist voll: { $needed } werden gebraucht, { $free } sind frei. Lösche ein Modell, das du nicht brauchst.
failure-storage = Der Speicherplatz dieses Geräts ist nicht nutzbar: { $detail }.
failure-field = Die Anfrage ist bei „{ $name }“ falsch: { $detail }.
failure-grammar = Die Form der Antwort lässt sich nicht einhalten: { $detail }.
failure-bad-address = Unter der Adresse des Modells lässt sich nichts laden.
failure-several-models = Wähle eine GGUF-Datei oder alle Teile eines Modells in mehreren Dateien.
failure-interrupted = Es wurde gestoppt.
failure-engine-stopped = Die Engine hat aufgehört zu arbeiten: { $detail }. Deine Unterhaltung ist noch da; versuche es noch einmal.

## Quantities

millions = { $number } Millionen
billions = { $number } Milliarden
under-a-second = weniger als eine Sekunde
days = { $count } Tagen
