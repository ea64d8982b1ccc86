# L'interface en français.

## Chat

you = Vous
assistant = Parlance
conversation = Conversation
message = Écrivez un message
send = Envoyer
queue-message = Envoyer après cette réponse
queued = En attente d’envoi
take-back = Modifier avant l’envoi
quote-selection = Citer la sélection
stop = Arrêter
attach = Joindre des fichiers ou des images
take-photo = Prendre une photo
dictate = Dicter
stop-dictating = Arrêter la dictée
talk = Parler avec le modèle
stop-talking = Arrêter de parler
opening-microphone = Ouverture du microphone…
listening = À l’écoute…
transcribing = Transcription de ce qui a été dit…
sound-level = Niveau sonore
microphone-not-allowed = Le microphone n’est pas autorisé. Autorisez-le pour ce site dans le navigateur, puis réessayez.
microphone-missing = Aucun microphone n’a été trouvé. Branchez-en un, puis réessayez.
microphone-unusable = Le microphone est inutilisable. Un autre programme l’utilise peut-être.
microphone-unplugged = Le microphone a été débranché. Ce qui a été dit jusque-là est dans le message.
nothing-heard = Rien n’a été compris.
speech-recognition = Reconnaissance vocale
speech-recognition-text = Un modèle sur cet appareil transforme la parole en texte. Il est téléchargé une seule fois. Ce que vous dites et vos enregistrements ne quittent jamais cet appareil.
speech-model = Modèle pour la parole
loading-speech-model = Chargement du modèle pour la parole…
recording = Enregistrement
decoding-recording = Lecture de l’enregistrement…
transcribed-of = { $done } sur { $total }
transcript-complete = La transcription est complète.
transcript-incomplete = La transcription s’arrête ici.
transcript = Transcription
play-from-here = Lire à partir d’ici
save-as-text = Enregistrer en texte
save-as-srt = Enregistrer en SRT
save-as-vtt = Enregistrer en WebVTT
attach-transcript = Joindre au message
reading-files = Lecture des fichiers…
reading-document = Lecture de { $name }… { $percent } %
remove = Retirer
file-is-image = { $name } est une image d’un format qui ne peut pas être lu ici. PNG, JPEG, WebP, AVIF et GIF le peuvent.
page-of = { $name }, page { $page }
pdf-cut-off = Seules les { $count } premières pages sans texte de { $name } ont été jointes.
document-encrypted = { $name } a un mot de passe ou une protection contre la copie et ne peut pas être lu.
document-damaged = { $name } est endommagé ou trop long à lire.
document-unknown = { $name } est d’un type qui ne peut pas être lu ici.
document-empty = { $name } ne contient aucun texte.
document-too-large = { $unit ->
    [bytes] { $name } contient plus de { $limit } de données compressées et n’a pas été lu.
    [text] { $name } a plus de { $limit } de texte et n’a pas été lu.
    [files] { $name } a plus de { $limit } fichiers et n’a pas été lu.
    [pages] { $name } a plus de { $limit } pages et n’a pas été lu.
    [cells] { $name } a plus de { $limit } cellules et n’a pas été lu.
   *[nesting] { $name } est imbriqué trop profondément et n’a pas été lu.
}
file-is-binary = { $name } n’est pas un fichier texte.
file-not-utf8 = { $name } n’est pas encodé en UTF-8. Enregistrez-le en UTF-8 et joignez-le à nouveau.
file-too-large = { $name } fait { $size }. Les pièces jointes sont limitées à { $limit } par message.
file-unreadable = Impossible de lire { $name }.
image-too-large = { $name } est trop grande : les images peuvent avoir jusqu’à 100 millions de pixels et 67 Mo.
image-damaged = { $name } est endommagée ou incomplète et ne peut pas être montrée à un modèle.
image-scaled = { $name } a été réduite de { $from } à { $to } pixels.
image = Image
image-description = Description (texte alternatif)
image-missing = Cette image n’est plus sur cet appareil.
waiting-for-model = En attente du modèle…
processing-prompt = Traitement du prompt… { $percent } %
looking-at-images = Examen des images… { $percent } %
thinking = Réflexion…
thought-for = A réfléchi pendant { $time }
response-started = Génération d’une réponse.
response-finished = Réponse terminée.
response-incomplete = La page a été fermée avant la fin de la réponse.
response-elsewhere = Cette réponse est en cours de génération dans un autre onglet.
token-limit-reached = limite de tokens atteinte
stopped-by-user = arrêtée
context-cutoff = Les messages au-dessus de cette ligne ne tiennent plus dans le contexte et ne sont pas envoyés au modèle.
context-gauge = { $used } sur { $limit } tokens
context-contents = Ce qui remplit le contexte
context-summary = Résumé
context-messages = Messages
context-files = Fichiers
context-images = Images
context-draft = Le message en cours
context-estimate = Estimation. Le reste est disponible pour la réponse.
context-left-out = { $count ->
    [one] { $count } message n’est plus envoyé au modèle. Il est marqué dans la discussion.
   *[other] { $count } messages ne sont plus envoyés au modèle. Ils sont marqués dans la discussion.
}
summarize = Résumer les messages précédents
summarizing = Résumé en cours…
summary-instead = Un résumé est envoyé à la place des messages ci-dessus.
summary-failed = Le modèle n’a écrit aucun résumé. Rien n’a changé.
chat-statistics = Cette conversation jusqu’ici
statistics-read = Tokens lus
statistics-cached = Tokens repris du cache KV
statistics-written = Tokens écrits
statistics-time = Temps de réponse
statistics-speed = Vitesse moyenne
token-count = { $count ->
    [one] { $count } token
   *[other] { $count } tokens
}
tokens-per-second = { $rate } tok/s
generation-details = { $prompt } tokens de prompt ({ $cached } en cache), premier token après { $seconds } s
copy = Copier
copied = Copié
copy-csv = Copier en CSV
download = Télécharger
edit = Modifier
edit-message = Modifier le message
regenerate = Régénérer
regenerate-with = Autre modèle…
compare = Côte à côte
show-version = Afficher cette réponse
continue = Continuer
sources = Sources
source = Source
place-page = page { $number }
place-sheet = feuille { $number }
place-slide = diapositive { $number }
place-chapter = chapitre { $number }
estimated-tokens = environ { $count } tokens
exact-tokens = { $count } tokens
read-aloud = Lire à voix haute
delete = Supprimer
previous-branch = Version précédente
next-branch = Version suivante
branch-position = { $position } sur { $count }
message-deleted = Message supprimé, ainsi que tout ce qui suivait.
fine-print = Fonctionne sur cet appareil. Rien de ce que vous écrivez n’en sort.
welcome-title = Posez vos questions. Tout reste sur votre appareil.
welcome-text = Parlance exécute un modèle de langage dans cet onglet, sur votre propre GPU : pas de compte, pas de serveur, personne n’écoute.
welcome-text-cpu = Parlance exécute un modèle de langage dans cet onglet, sur votre propre CPU : pas de compte, pas de serveur, personne n’écoute.
proposal-title = Un meilleur modèle pour cet appareil
device-room = Cet appareil devrait bien exécuter des modèles jusqu’à { $size }.
device-room-cpu = Sans GPU, cet appareil devrait bien exécuter des modèles jusqu’à { $size }.
task = Pour quoi faire
task-chat = Questions de tous les jours
task-code = Programmation
task-reasoning = Maths et logique
task-images = Questions sur des images
model-size = Taille
size-small = Téléchargement rapide
size-medium = Un bon équilibre
size-large = Les meilleures réponses
download-model = Télécharger { $size }
allow-and-download = Autoriser { $host } et télécharger { $size }
demo-meanwhile = En attendant, le modèle de démonstration répond. Il est très petit : vérifiez ce qu’il dit.
scroll-to-bottom = Aller en bas
drop-files = Déposez des fichiers ici. Les textes et les images sont joints à votre message ; un fichier GGUF est ouvert comme modèle.
suggestion-fact = Quelle est la capitale de la France ?
suggestion-explain = Explique en deux phrases pourquoi le ciel est bleu
suggestion-write = Écris un haïku sur la mer

## Chats

conversations = Conversations
new-chat = Nouvelle conversation
temporary-chat = Conversation temporaire
temporary-chat-text = Rien de cette conversation n’est enregistré. Elle se termine quand vous la quittez.
select-chats = Sélectionner des conversations
select-chat = Sélectionner cette conversation
selected-count = { $count } sélectionnées
search-conversations = Rechercher des conversations
no-conversations = Vos conversations apparaîtront ici. Posez une question pour en commencer une, ou importez-en dans les paramètres.
no-chats-found = Aucun résultat. Essayez avec moins de mots, ou avec # et une étiquette.
pinned = Épinglées
last-day = Dernières 24 heures
last-week = 7 derniers jours
last-month = 30 derniers jours
older = Plus anciennes
more = Plus
rename = Renommer
title = Titre
pin = Épingler
unpin = Désépingler
move-to-folder = Déplacer vers un dossier
folder = Dossier
tags = Étiquettes
export-markdown = Exporter en Markdown
export-json = Exporter en JSON
conversation-deleted = Conversation supprimée.
some-conversations-deleted = { $count } conversations supprimées.
conversations-deleted = Toutes les conversations ont été supprimées.
undo = Annuler

## Projects

projects = Projets
projects-text = Un projet réunit des instructions, des fichiers et des discussions. Ses discussions trouvent des passages de ses fichiers et les citent par numéro.
project-name = Nom du projet
new-project = Nouveau projet
project-instructions = Instructions : envoyées au modèle au début de chaque discussion de ce projet
project-files = Fichiers
projects-empty = Rien pour l’instant. Nommez un projet ci-dessus, ajoutez-y des fichiers et commencez une conversation : les réponses citent alors les fichiers par numéro, et un clic sur un numéro montre l’endroit.
project-file = { $size } de texte · passages : { $count }, par le sens : { $embedded }
delete-project = Supprimer le projet
embedding-proposal = Les fichiers sont cherchés par mots. Un petit modèle d’embedding trouve aussi les passages qui disent la même chose autrement ; il marche mieux en anglais.
embedding-download = Télécharger all-MiniLM-L6-v2 (environ 25 Mo)
embedding-source = L’adresse est connue par d’autres projets ; la taille est calculée et n’a pas été vérifiée.
embedding-files = Les fichiers sont préparés pour la recherche par le sens. Cela s’interrompt pendant que vous attendez une réponse, et sur batterie.
embedding-failed = Le modèle d’embedding n’a renvoyé aucun vecteur. Choisissez-en un autre dans les réglages.

## Models

model = Modèle
models = Modèles
loading = Chargement…
select-model = Sélectionner un modèle
models-here = Sur cet appareil
advanced = Avancé
all-models = Tous les modèles
demo-model = Modèle de démonstration
demo-model-text = SmolLM2 135M Instruct, 98 Mo : petit et rapide, idéal pour un premier essai.
demo-model-offer = un petit modèle de démonstration, 98 Mo. Il se charge avec votre premier message, ou tout de suite :
load-model = Charger le modèle
linked-model = Le lien que vous avez suivi propose de charger { $name } depuis { $host }.
linked-model-with-size = Le lien que vous avez suivi propose de charger { $name } (environ { $size }) depuis { $host }.
linked-model-replaces = Il remplacerait { $name }, que d’autres onglets utilisent peut-être.
load = Charger
unload = Décharger
view-details = Voir les détails
use-model = Utiliser
resume = Reprendre
pause = Mettre en pause
load-from-url = Charger depuis une URL
load-from-url-text = Un fichier GGUF, ou un fichier de Hugging Face sous la forme owner/repository/file.gguf. Ses détails s’affichent avant le chargement.
invalid-url = Cette URL n’est pas valide.
load-from-file = Charger depuis un fichier
load-from-file-text = Vous pouvez aussi le déposer n’importe où sur la page de conversation.
choose-and-remember = Choisir et mémoriser
model-details = { $gpu } sur le GPU, jusqu’à { $memory } de RAM · contexte de { $tokens } tokens · chargé en { $seconds } s · { $adapter }
model-details-cpu = fichier de { $gpu }, jusqu’à { $memory } de RAM · contexte de { $tokens } tokens · chargé en { $seconds } s · { $adapter }
unload-when-idle = Décharger en cas d’inactivité
never = Jamais
after-time = Après { $time }
starting-engine = Démarrage du moteur
downloading-model = Téléchargement du modèle
uploading-model = Chargement du modèle en mémoire
preparing = Préparation
loading-model = Chargement du modèle
fetching-model = Téléchargement de { $name }
model-fetched = { $name } est prêt.
part-of = { $part } sur { $whole }
time-left = reste { $time }
load-with-context = Charger avec un contexte de { $tokens } tokens
try-context = Essayer avec un contexte de { $tokens } tokens
try-again = Réessayer
software-webgpu = Aucun GPU utilisable n’a été trouvé ; ce navigateur émule donc WebGPU sur le CPU. Les réponses seront lentes.
runs-on-cpu = Aucun GPU disponible : le modèle s’exécute sur le CPU, ce qui est plus lent.
self-test-fallback = Certains noyaux GPU donnent des résultats erronés dans ce navigateur ; Parlance en utilise donc de plus simples. Les réponses sont correctes, mais plus lentes. Mettre à jour le navigateur ou le pilote graphique peut aider.
self-test-failed = Le GPU donne des résultats erronés dans ce navigateur ; le modèle s’exécute donc sur le CPU, ce qui est plus lent. Mettre à jour le navigateur ou le pilote graphique peut aider.
compute-device = Matériel de calcul
device-auto = Automatique
device-gpu = GPU (WebGPU)
device-cpu = CPU
kv-cache-quantization = Quantification du cache KV (8 bits) : environ moitié moins de mémoire GPU par conversation, un peu moins précis
reading-header = Lecture des métadonnées du modèle…
parameters = { $count } de paramètres
in-files = en { $count } fichiers
memory-estimate = Occupe { $total } de mémoire GPU : { $weights } pour les poids, { $context } pour le cache KV (contexte de { $tokens } tokens), { $scratch } pour les tampons de calcul.
context-length = Longueur du contexte
context-tokens = contexte de { $tokens } tokens
cannot-chat = Ce modèle d’embedding ne peut pas discuter. Choisissez un autre modèle.
sees-with = Voit les images grâce à { $name }.
draft-model = Modèle d’ébauche (plus rapide) : { $name }, { $size }
drafts-with = { $name } ébauche ses réponses.
sees-images = voit les images
model-that-sees = { $model } voit les images.
already-downloaded = Déjà sur cet appareil.
partly-downloaded = { $size } déjà téléchargés.
storage-insufficient = L’enregistrer demande { $missing }, mais il ne reste que { $free } au navigateur : il sera chargé sans être enregistré.
storage-needed = L’enregistrer demande { $missing } sur les { $free } restants.
all-families = Toutes
model-families = Familles de modèles
filter-models = Filtrer par nom, famille ou licence
add-model = Ajouter un modèle
catalogue-unavailable = Impossible de charger la liste des modèles. Ajoutez un modèle par URL ou depuis un fichier.
no-models-found = Aucun résultat. Essayez avec moins de mots ou une autre famille, ou ajoutez un modèle par URL ou depuis un fichier.
needs-memory = demande environ { $size } de mémoire
fit-good = Devrait fonctionner sur cet appareil
fit-tight = Pourrait fonctionner sur cet appareil
fit-too-large = Probablement trop grand pour cet appareil
fit-unknown = Mémoire de l’appareil inconnue
model-source = Source :
source-checked = La taille et la somme de contrôle concordent avec d’autres sources publiques.
source-unchecked = Non vérifié : la taille est approximative et la somme de contrôle arrive avec le téléchargement.
hub-search = Rechercher sur { $host }
hub-not-allowed = Une fois cet hôte autorisé, vous pourrez chercher ici parmi des milliers de modèles. Il ne reçoit que vos mots de recherche et vos téléchargements.
hub-words = Chercher un modèle
search = Rechercher
searching = Recherche…
hub-nothing-found = Aucun résultat. Seuls les dépôts contenant des fichiers GGUF sont affichés. Essayez avec moins de mots, par exemple le nom d’un modèle.
hub-refused = Le serveur refuse : il faut un jeton d’accès, ou un autre.
hub-failed = La recherche sur le serveur a échoué ({ $detail }). Vérifiez la connexion et réessayez.
licence-unknown = licence non indiquée
downloads = { $count } téléchargements
gated = accès restreint
gated-help = Pour télécharger ces fichiers, acceptez les conditions sur la page du dépôt et saisissez ci-dessous votre jeton d’accès.
repository-page = Page du dépôt
hub-no-models = Ce dépôt n’a aucun modèle GGUF complet.
hub-incomplete = { $count ->
    [one] { $count } modèle est incomplet et n’apparaît pas.
   *[other] { $count } modèles sont incomplets et n’apparaissent pas.
}
with-images = Voit les images : { $name } ({ $size })
hub-access = Jeton d’accès et serveur
hub-token = Jeton d’accès pour les dépôts restreints
hub-token-text = Il reste sur cet appareil et n’est envoyé qu’à { $host }.
hub-token-invalid = Un jeton n’a pas d’espaces et ne contient que des caractères ASCII.
hub-server = Un autre serveur
hub-server-text = Un miroir avec la même API. Laissez vide pour Hugging Face.
about-speech = Transforme la parole en texte.
about-bundled = Fourni avec ce site, fonctionne hors ligne. Idéal pour un premier essai.
about-tiny = Fonctionne presque partout. Pour les textes courts et les questions simples.
about-small = Pour les questions du quotidien, sur téléphone ou ancien ordinateur portable.
about-medium = De bonnes réponses sur un ordinateur portable.
about-large = Les meilleures réponses, pour un ordinateur avec carte graphique.
about-reasoning = Réfléchit avant de répondre. Bon en mathématiques et en logique.
about-code = Écrit et explique du code.
about-tools = Appelle des outils et suit précisément les instructions.
about-open = Entièrement ouvert : ses données d’entraînement et son code sont publics aussi.

## Storage

storage = Stockage
storage-persistent = Le navigateur conserve ces fichiers jusqu’à ce que vous les supprimiez.
storage-evictable = Le navigateur peut supprimer ces fichiers si l’espace disque vient à manquer.
persist = Conserver les fichiers
import-model = Importer un modèle
import-model-text = Copie un fichier GGUF de votre disque dans le stockage de ce navigateur.
storage-used = { $used } utilisés sur les { $quota } disponibles pour ce site.
projector = permet à un modèle de voir les images
images-stored = { $count ->
    [one] { $count } image dans les discussions : { $size }.
   *[other] { $count } images dans les discussions : { $size }.
}
no-downloaded-models = Aucun modèle téléchargé pour l’instant. Choisissez-en un dans la liste des modèles ; il sera conservé ici.
download-incomplete = { $done } téléchargés sur { $total }
used-ago = utilisé il y a { $time }
never-used = jamais utilisé
file-intact = Le fichier est intact.
file-damaged = Le fichier est endommagé. Supprimez-le et téléchargez-le à nouveau.
verifying = Vérification…
checksum-verified = somme de contrôle vérifiée
verify = Vérifier
delete-permanently = Supprimer définitivement
cancel = Annuler

## Settings

settings = Paramètres
search-settings = Rechercher dans les paramètres
no-settings-found = Aucun résultat. Essayez un seul mot, par exemple « { theme } » ou « { temperature } ».
pages = Pages
chat = Conversation
interface = Interface
language = Langue
language-default = Celle du navigateur
theme = Thème
theme-system = Système
theme-light = Clair
theme-dark = Sombre
compact = Affichage compact
enter-sends = Envoyer avec Entrée (Maj+Entrée pour aller à la ligne). Si désactivé, Ctrl+Entrée envoie.
sampling = Échantillonnage
preset-precise = Précis
preset-balanced = Équilibré
preset-creative = Créatif
own-sampling = Cette discussion a ses propres réglages d’échantillonnage
temperature = Température
temperature-help = Degré d’aléatoire de la sortie. 0 choisit toujours le token le plus probable.
top-p = Top P
top-p-help = Ne considère que les tokens les plus probables dont les probabilités cumulées atteignent cette valeur. 1 désactive ce réglage.
top-k = Top K
top-k-help = Ne considère que ce nombre de tokens parmi les plus probables. 0 désactive ce réglage.
min-p = Min P
min-p-help = Écarte les tokens moins probables que cette fraction de la probabilité du plus probable. 0 désactive ce réglage.
repetition-penalty = Pénalité de répétition
repetition-penalty-help = Rend moins probables les tokens déjà apparus. 1 la désactive ; les petits modèles en ont un peu besoin.
max-tokens = Tokens max.
max-tokens-help = Longueur maximale de la réponse. Un token est un mot ou une partie de mot. Laissez vide pour utiliser tout le contexte restant.
seed = Graine (seed)
seed-help = La même graine donne la même réponse au même prompt. Laissez vide pour une graine aléatoire.
system-prompt = Prompt système
system-prompt-text = Envoyé au modèle au début de chaque conversation.
system-prompt-example = Tu es un assistant utile. Sois concis.
reasoning = Raisonnement : les modèles qui le permettent réfléchissent avant de répondre
tool-use = Outils : les modèles peuvent utiliser une calculatrice et une horloge. Les appels s’affichent avec la réponse.
speculative-decoding = Décodage spéculatif (prompt lookup) : le texte qui répète la conversation est généré plus vite
context-overflow = Dépassement du contexte : quand une conversation dépasse le contexte, écarter ses messages les plus anciens. Une ligne indique où.
embedding-model = Modèle d’embedding pour les longs fichiers
embedding-model-text = Dans les fichiers trop longs pour le contexte, les passages pertinents pour votre message sont recherchés : par le sens avec un modèle d’embedding, par mots-clés sinon.
ranker = Modèle de reclassement pour les projets
ranker-text = Lit les 20 meilleurs passages des fichiers d’un projet avec votre message et en choisit 8 au plus. Sans lui, ils sont envoyés tels qu’ils ont été trouvés.
personas = Personas
personas-text = Des prompts système à alterner, proposés sous le prompt système.
prompts = Prompts
prompts-text = Des textes que vous utilisez souvent. Tapez / et le début d’un nom pour en insérer un. Les champs entre doubles accolades sont sélectionnés pour que vous les remplissiez.
name = Nom
text = Texte
add = Ajouter
data = Vos données
data-text = Les conversations sont enregistrées dans ce navigateur et nulle part ailleurs.
library-newer = Une version plus récente de Parlance a été ouverte dans un autre onglet. Rechargez cette page pour la mettre à jour.
library-full = Le stockage de cet appareil est plein : les nouveaux messages ne sont pas enregistrés. Supprimez un modèle ou des conversations dont vous n’avez plus besoin.
export-all-json = Tout exporter en JSON
export-all-markdown = Tout exporter en Markdown
import-conversations = Importer des conversations
import-conversations-text = Fichiers JSON exportés depuis Parlance, ChatGPT ou Open WebUI.
imported = { $added ->
    [one] { $added } conversation importée
   *[other] { $added } conversations importées
}, { $known } déjà présentes.
delete-all = Supprimer toutes les conversations
delete-all-text = Cela supprime toutes les conversations avec leurs pièces jointes, leurs brouillons et leurs caches KV enregistrés. Les modèles et les paramètres sont conservés.

## Performance

performance = Performances
generation-speed = Tokens par seconde pour chaque réponse
no-responses = Les réponses de cette visite apparaîtront ici.
no-model-loaded = Aucun modèle n’est chargé. Chargez-en un pour voir sa vitesse et sa consommation de mémoire.
last-response = Dernière réponse : { $rate } tok/s, traitement du prompt { $prefill } tok/s, premier token après { $seconds } s
adapter = GPU
features = Fonctionnalités optionnelles utilisées
weights = Poids
kv-cache = Cache KV
peak-ram = Pic de RAM
benchmark = Benchmark
benchmark-text = Génère trois réponses de 64 tokens chacune et affiche les médianes.
run-benchmark = Lancer le benchmark
benchmark-result = { $rate } tok/s, traitement du prompt { $prefill } tok/s, premier token après { $seconds } s
copy-result = Copier le résultat

## Playground

playground = Playground
playground-text = Sortie structurée : la réponse respecte toujours le schéma JSON.
playground-prompt = Décris la capitale de la France.
prompt = Prompt
json-schema = Schéma JSON
generate = Générer
response = Réponse
chat-system-prompt = Prompt système de cette conversation
chat-system-prompt-text = Envoyé au modèle au début de cette conversation. Laissez vide pour utiliser celui des paramètres.
save = Enregistrer

## Shortcuts

shortcuts = Raccourcis clavier
palette = Commandes
palette-hint = Rechercher des commandes, des pages et des conversations
no-commands-found = Aucun résultat. Essayez le nom d’une page ou des mots du titre d’une conversation.
shortcut-help = Afficher cette liste
shortcut-search = Rechercher des conversations
shortcut-sidebar = Afficher ou masquer la barre latérale
shortcut-stop = Arrêter la génération
shortcut-prompts = Insérer un prompt
shortcut-newline = Nouvelle ligne

## General

close = Fermer
page-crashed = Parlance a rencontré une erreur interne et s’est arrêté. Vos conversations sont enregistrées ; rechargez la page pour continuer.
model-recovered = Un problème est survenu ({ $message }). Le modèle a été rechargé et continue.
engine-restarted = Le moteur a planté ({ $message }) et a été redémarré. Rien n’a été perdu.
reload = Recharger
new-version = Une nouvelle version de Parlance est disponible.
not-found-title = Page introuvable
not-found-text = Vérifiez que l’adresse est bien écrite.
go-to-chat = Aller à la conversation
help-network = Vérifiez l’URL et votre connexion, puis réessayez. Les autres sites doivent autoriser celui-ci à lire leurs fichiers (CORS).
help-not-allowed = Parlance ne se connecte qu’à son propre site et aux hôtes que vous avez autorisés.
allow-host = Autoriser { $host } et recharger
allowed-elsewhere = Cet hôte est maintenant autorisé, mais un autre onglet Parlance a été ouvert avant. Fermez-le ou rechargez-le.
allowed-hosts = Hôtes autorisés
allowed-hosts-text = En plus du sien, ce site peut récupérer des modèles depuis ces hôtes. Les conversations ne leur sont jamais envoyées.
help-other-model = Choisissez un autre modèle ou le modèle de démonstration.
help-storage = Gérer le stockage
help-new-chat = Démarrez une nouvelle conversation ou activez le dépassement du contexte dans les paramètres.
webgpu-intro = Parlance exécute les modèles sur votre GPU grâce à WebGPU, pris en charge par ces navigateurs :
webgpu-hint = Si vous utilisez l’un d’eux, vérifiez que l’accélération matérielle est activée dans ses paramètres et que la page a été ouverte en https ou depuis localhost.
webgpu-chrome = Sous Linux, passez à la version 144 ou ultérieure ; si WebGPU reste désactivé, activez-le dans chrome://flags/#enable-unsafe-webgpu.
webgpu-safari = Mettez à jour le système d’exploitation ; Safari est mis à jour avec lui.
webgpu-firefox = Ailleurs, mettez dom.webgpu.enabled à true dans about:config, ou utilisez Chrome.

## Failures

failure-no-webgpu = Ce navigateur ne prend pas en charge WebGPU.
failure-no-gpu = WebGPU n’a trouvé aucun GPU utilisable ({ $detail }).
failure-http-status = Impossible de télécharger le modèle : le serveur a répondu { $status } pour { $url }.
failure-network = Impossible de télécharger le modèle : { $detail }.
failure-bad-answer = Impossible de télécharger le modèle : la réponse du serveur n’est pas valide ({ $detail }).
failure-not-allowed = Cette page ne peut pas se connecter à { $host } : vous ne l’avez pas encore autorisé.
failure-changed = Impossible de télécharger le modèle : le fichier a changé pendant le téléchargement. Réessayez.
failure-damaged = Le modèle sur cet appareil était endommagé et a été supprimé. Chargez-le à nouveau.
failure-wrong-checksum = « { $name } » a été refusé : sa somme de contrôle ne correspond pas à celle qu’indique son URL ou son hôte. Rien n’a été enregistré.
failure-unusable-copy = Le fichier sur cet appareil a la bonne somme de contrôle, mais ne peut pas être chargé comme modèle : { $detail }. Le télécharger à nouveau n’y changerait rien.
failure-bad-pin = La partie de l’URL du modèle après « # » n’est pas une somme de contrôle valide : il faut « sha256= » et 64 chiffres hexadécimaux pour chaque fichier du modèle (nombre de fichiers : { $files }), séparés par des virgules.
failure-not-gguf = Ce n’est pas un fichier de modèle GGUF : il commence par { $detail } au lieu de « GGUF ».
failure-gguf-version = La version { $version } de GGUF n’est pas prise en charge ; seules les versions 2 et 3 le sont.
failure-cut-short = Le fichier du modèle est incomplet : il fait { $length } sur au moins { $needed }. Téléchargez-le à nouveau.
failure-malformed = Le fichier du modèle est endommagé : { $detail }.
failure-missing-entry = Il manque au fichier du modèle la métadonnée « { $name } », ou elle n’a pas le bon type.
failure-missing-tensor = Il manque au fichier du modèle le tenseur « { $name } ».
failure-architecture = Les modèles d’architecture « { $name } » ne sont pas encore pris en charge.
failure-format = Le tenseur « { $tensor } » est enregistré en { $format }, qui n’est pas encore pris en charge.
failure-tokenizer = Le tokenizer du modèle est inutilisable : { $detail }.
failure-template = Le template de chat du modèle a échoué : { $detail }.
failure-gpu = Le GPU a signalé une erreur : { $detail }.
failure-wrong-results = Le GPU donne des résultats erronés dans ce navigateur, à cause du navigateur ou de son pilote graphique. Le modèle peut s’exécuter sur le CPU.
failure-too-large = Le modèle ne tient pas sur cet appareil : { $detail }.
failure-out-of-memory = Cet appareil n’a pas assez de mémoire pour ce modèle, même avec un petit contexte ; essayez un modèle plus petit ({ $detail }).
failure-context-too-large = Un contexte de { $tokens } tokens ne tient pas sur cet appareil ; { $room } tokens tiendraient.
failure-context-full = Longueur du contexte dépassée : cette conversation compte { $tokens } tokens, mais la longueur du contexte est de { $room }.
failure-question-too-long = Longueur du contexte dépassée : avec le prompt système, les pièces jointes et le début de la réponse, le dernier message compte à lui seul { $tokens } tokens, mais la longueur du contexte est de { $room }. Raccourcissez-le, joignez moins de texte ou choisissez un contexte plus grand.
failure-cannot-chat = Ce modèle d’embedding ne peut pas discuter.
failure-cannot-see = { $model } ne peut pas voir les images.
failure-hears-nothing = { $model } ne peut pas écouter les enregistrements.
failure-wrong-projector = « { $name } » ne permet pas à ce modèle de voir les images : { $detail }.
failure-wrong-draft = Ce modèle ne peut pas ébaucher de réponses pour l’autre : { $detail }.
failure-cannot-hear = Le modèle chargé ne peut pas entendre ; il faut un modèle de reconnaissance vocale.
failure-recording = L’enregistrement ne peut pas être transcrit : { $detail }.
failure-only-chats = Le modèle chargé est un modèle de chat ; il faut un modèle d’embedding.
failure-no-model = Aucun modèle n’est chargé. Chargez-en un d’abord.
failure-queue-full = Trop de requêtes sont en attente. Réessayez plus tard.
failure-no-storage = Ce navigateur n’offre pas de stockage de fichiers.
failure-not-kept = Ce modèle n’est plus sur cet appareil.
failure-storage-full = Le stockage de cet appareil est plein. Supprimez un modèle dont vous n’avez plus besoin.
failure-storage-full-by = Le stockage de cet appareil est plein : il faut { $needed }, il reste { $free }. Supprimez un modèle dont vous n’avez plus besoin.
failure-storage = Le stockage de cet appareil est inutilisable : { $detail }.
failure-field = Le champ « { $name } » de la requête n’est pas valide : { $detail }.
failure-grammar = Le format de la réponse ne peut pas être imposé : { $detail }.
failure-bad-address = L’URL du modèle n’est pas valide.
failure-several-models = Choisissez un fichier GGUF ou toutes les parties d’un même modèle découpé.
failure-interrupted = Arrêté.
failure-engine-stopped = Le moteur a planté : { $detail }. Votre conversation est toujours là ; réessayez.
warning-no-template = Le fichier du modèle n’a pas de template de chat ; ChatML le remplace.
warning-unusable-template = Le template de chat du modèle est inutilisable ({ $detail }) ; ChatML le remplace.
warning-distrusted-template = Le template de chat du modèle a fait planter le moteur lors d’un essai précédent ; ChatML le remplace.
warning-not-stored = Le modèle n’a pas été enregistré sur cet appareil et devra être téléchargé à nouveau. { $reason }
warning-smaller-context = Il n’y a pas assez de mémoire pour un contexte de { $tokens } tokens ; il en a { $room }. Un modèle plus petit en laisserait davantage.

## Quantities

millions = { $number } millions
billions = { $number } milliards
under-a-second = moins d’une seconde
days = { $count } jours
