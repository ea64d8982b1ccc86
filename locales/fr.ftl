# L'interface en français.

## Conversation

you = Vous
assistant = Parlance
conversation = Conversation
message = Message
send = Envoyer
stop = Arrêter
attach = Joindre des fichiers texte
remove = Retirer
file-is-image = { $name } est une image. Seul du texte peut être joint.
file-is-pdf = { $name } est un PDF, dont le texte ne peut pas être lu ici. Enregistrez-le en fichier texte, ou collez le texte.
file-is-binary = { $name } n'est pas un fichier texte.
file-not-utf8 = { $name } n'est pas encodé en UTF-8. Enregistrez-le en UTF-8 et joignez-le de nouveau.
file-too-large = { $name } fait { $size }. Les fichiers d'une question peuvent faire { $limit } ensemble.
file-unreadable = { $name } n'a pas pu être lu.
waiting-for-model = En attente du modèle
reading-prompt = Lecture, { $percent } %
thinking = Réflexion…
thought-for = Réflexion : { $time }
answer-begins = La réponse est en cours de rédaction.
answer-is-there = La réponse est là.
cut-off = La page a été fermée avant la fin de la réponse.
answered-elsewhere = La réponse s'écrit dans un autre onglet.
ended-at-limit = coupée à la limite
ended-by-user = arrêtée
context-mark = Les messages plus anciens, au-dessus de cette ligne, ne sont plus transmis au modèle.
token-count = { $count ->
    [one] { $count } jeton
   *[other] { $count } jetons
}
tokens-per-second = { $rate } jetons/s
answer-details = { $prompt } jetons d'entrée (dont { $cached } en cache), premier jeton après { $seconds } s
copy = Copier
copied = Copié
download = Télécharger
edit = Modifier
edit-message = Modifier le message
ask-again = Redemander
regenerate = Autre réponse
continue = Continuer
sources = Sources
about-tokens = environ { $count } jetons
exact-tokens = { $count } jetons
read-aloud = Lire à voix haute
delete = Supprimer
previous-branch = Version précédente
next-branch = Version suivante
branch-place = { $place } sur { $count }
message-deleted = Le message et ce qui suivait ont été supprimés.
fine-print = Fonctionne sur cet appareil. Rien de ce que vous écrivez n'en sort.
welcome-title = Demandez ce que vous voulez. Cela reste ici.
welcome-text = Parlance fait tourner un modèle de langage dans cet onglet, sur votre propre GPU : pas de compte, pas de serveur, personne n'écoute.
welcome-text-cpu = Parlance exécute un modèle de langage dans cet onglet, sur votre propre processeur : pas de compte, pas de serveur, personne n’écoute.
jump-to-latest = Aller au plus récent
drop-here = Déposez des fichiers ici : les textes accompagnent le message, un fichier GGUF est examiné comme modèle.
suggestion-fact = Quelle est la capitale de la France ?
suggestion-explain = Explique en deux phrases pourquoi le ciel est bleu
suggestion-write = Écris un haïku sur la mer

## Conversations

conversations = Conversations
new-chat = Nouvelle conversation
search-conversations = Chercher dans les conversations
no-conversations = Vos conversations apparaîtront ici.
nothing-found = Rien n'a été trouvé.
pinned = Épinglées
last-day = Dernières 24 heures
last-week = 7 derniers jours
last-month = 30 derniers jours
older = Plus anciennes
more = Plus
rename = Renommer
title = Titre
pin = Épingler
unpin = Détacher
move-to-folder = Déplacer dans un dossier
folder = Dossier
export-markdown = Exporter en Markdown
export-json = Exporter en JSON
conversation-deleted = La conversation a été supprimée.
conversations-deleted = Toutes les conversations ont été supprimées.
undo = Annuler

## Models

model = Modèle
models = Modèles
no-model = Aucun modèle
loading = Chargement…
choose-model = Choisir un modèle
all-models = Tous les modèles
demo-model = Modèle d'essai
demo-model-text = SmolLM2 135M Instruct, 98 Mo : petit et rapide, pour un premier aperçu.
demo-model-offer = 98 Mo, un petit modèle d'essai. Il se charge avec votre premier message, ou tout de suite :
load-model = Charger le modèle
linked-model = Un lien demande le modèle { $name } de { $host }.
linked-model-of-size = Un lien demande le modèle { $name } de { $host }, environ { $size }.
linked-model-replaces = Il prendrait la place de { $name }, que d’autres onglets utilisent peut-être.
load = Charger
unload = Décharger
look = Examiner
use-model = Utiliser
resume = Reprendre
pause = Pause
from-address = Depuis une adresse
from-address-text = Un fichier GGUF, ou un fichier de Hugging Face sous la forme propriétaire/dépôt/fichier.gguf. Vous voyez ce que c'est avant le chargement.
not-an-address = Ce n'est pas l'adresse d'un fichier.
from-device = Depuis cet appareil
choose-and-remember = Choisir et retenir
from-device-text = Ou déposez-le n'importe où sur la page.
model-details = { $gpu } sur le GPU, au plus { $memory } à côté · contexte de { $tokens } jetons · chargé en { $seconds } s · { $adapter }
model-details-cpu = { $gpu } lus, au plus { $memory } occupés · contexte de { $tokens } jetons · chargé en { $seconds } s · { $adapter }
idle-unload = Libérer sa mémoire quand il ne sert pas
never = Jamais
after-time = Après { $time }
opening-gpu = Ouverture du GPU
downloading-model = Téléchargement du modèle
uploading-model = Copie du modèle sur le GPU
getting-ready = Préparation
loading-model = Chargement du modèle
part-of = { $part } sur { $whole }
time-left = encore { $time }
load-with-context = Charger avec un contexte de { $tokens } jetons
plan-for = Prévoir { $tokens } jetons
try-again = Réessayer
computes-on-cpu = Ce navigateur calcule sur le processeur, car il n'a trouvé aucun GPU utilisable. Les réponses seront lentes.
runs-on-cpu = Pas de GPU ici : le modèle tourne sur le processeur, plus lentement.
computes-plainly = Une partie des calculs sur le GPU est fausse dans ce navigateur ; Parlance calcule donc ici d'une manière plus simple : les réponses sont justes, mais plus lentes. Une mise à jour du navigateur ou du pilote graphique peut aider.
gpu-computes-wrongly = Le GPU calcule mal dans ce navigateur ; le modèle tourne donc sur le processeur, plus lentement. Une mise à jour du navigateur ou du pilote graphique peut aider.
compute-on = Calculer sur
compute-auto = Automatique
compute-gpu = GPU (WebGPU)
compute-cpu = Processeur
small-cache = Garder les conversations dans la moitié de la mémoire du GPU (8 bits : un peu moins exact)
reading-header = Lecture de l'en-tête…
parameters = { $count } paramètres
in-files = en { $count } fichiers
takes-memory = Occupe { $total } de mémoire GPU : { $weights } pour les poids, { $context } pour un contexte de { $tokens } jetons, { $scratch } pour les calculs.
context = Contexte
context-of = contexte de { $tokens } jetons
cannot-chat = Ce modèle transforme des textes en vecteurs ; il ne peut pas discuter. Choisissez-en un autre.
is-here = Il est déjà sur cet appareil.
partly-here = { $size } sont déjà ici.
room-is-missing = Pour être conservé il lui faut { $missing }, et le navigateur n'a plus que { $free } : il sera chargé, mais pas conservé.
room-is-there = Pour être conservé il lui faut { $missing } sur { $free } libres.
all-families = Toutes
families = Familles
filter-models = Filtrer par nom, famille, licence
add-model = Ajouter un modèle
no-catalogue = La liste des modèles n'a pas pu être lue. Ajoutez-en un par son adresse ou depuis un fichier.
needs-memory = demande environ { $size }
fit-good = Convient à cet appareil
fit-tight = Convient peut-être à cet appareil
fit-too-large = Trop grand pour cet appareil
fit-unknown = Ce navigateur ne dit pas combien il y a de mémoire
about-bundled = Fourni avec cette page, fonctionne sans réseau. Pour un premier aperçu.
about-tiny = Tourne presque partout. Pour des textes courts et des questions simples.
about-small = Pour les questions courantes, sur téléphone ou vieil ordinateur.
about-medium = De bonnes réponses sur un portable.
about-large = Les meilleures réponses, avec une carte graphique.
about-thinks = Réfléchit avant de répondre. Bon en calcul et en logique.
about-code = Écrit et explique des programmes.
about-tools = Appelle des outils et suit de près les consignes.
about-open = Ses données et son code d'entraînement sont publics aussi.

## Storage

storage = Sur cet appareil
looking = Recherche…
is-persisted = Le navigateur garde ces fichiers jusqu'à ce que vous les supprimiez.
is-not-persisted = Le navigateur peut supprimer ces fichiers quand le disque se remplit.
persist = Les garder
import-title = Garder une copie d'un fichier
import-text = Un fichier GGUF de votre disque, pour qu'il soit ici la prochaine fois.
room-used = { $used } utilisés sur les { $quota } que le navigateur donne à ce site.
no-kept-models = Aucun modèle n'est encore ici. Le premier que vous chargerez y restera.
partly-kept = { $done } sur { $total } ; le charger le complète
used-ago = utilisé il y a { $time }
never-used = jamais utilisé
is-intact = Il est intact.
is-damaged = Il est abîmé. Supprimez-le et chargez-le de nouveau.
is-being-read = Lecture…
checksum-verified = somme de contrôle vérifiée
verify = Vérifier
delete-for-good = Supprimer définitivement
cancel = Annuler

## Settings

settings = Réglages
pages = Pages
chat = Discussion
looks = Interface
language = Langue
language-of-browser = Celle du navigateur
theme = Thème
theme-system = Celui du système
theme-light = Clair
theme-dark = Sombre
compact = Compact : moins d'espace entre les lignes
enter-sends = Entrée envoie, Maj+Entrée va à la ligne. Sinon, Ctrl+Entrée envoie.
sampling = Choix des réponses
preset-precise = Précis
preset-balanced = Équilibré
preset-creative = Créatif
temperature = Température
temperature-help = À quel point le choix des mots est aventureux. 0 prend toujours le plus probable.
top-p = Top-p
top-p-help = Seuls les mots les plus probables qui atteignent ensemble cette probabilité. 1 les prend tous.
top-k = Top-k
top-k-help = Seulement ce nombre de mots parmi les plus probables. 0 les prend tous.
min-p = Min-p
min-p-help = Écarte les mots dont la probabilité est inférieure à cette part de celle du plus probable.
repetition-penalty = Pénalité de répétition
repetition-penalty-help = Rend moins probables les mots déjà employés. 1 ne change rien ; les petits modèles en ont un peu besoin.
max-tokens = Longueur maximale, en jetons
max-tokens-help = Un jeton est un mot ou une partie de mot. Vide : tant que le contexte a de la place.
seed = Graine
seed-help = Le même nombre donne la même réponse à la même question. Vide : une autre à chaque fois.
system-prompt = Consignes au modèle
system-prompt-text = Ce que le modèle apprend avant chaque conversation.
system-prompt-example = Tu es un assistant serviable. Réponds brièvement.
thinks = Les modèles qui savent réfléchir d'abord le font
uses-tools = Les modèles peuvent utiliser une calculatrice et une horloge. Leurs appels s'affichent avec la réponse.
guesses-ahead = Deviner la suite : ce qui répète la conversation vient plus vite
drops-oldest = Dans les longues conversations, écarter les questions et réponses les plus anciennes quand le contexte est plein. Une ligne indique lesquelles.
embedding-model = Modèle qui cherche dans les longs fichiers
embedding-model-text = Dans les fichiers qui dépassent le contexte, on cherche les passages utiles à la question : par le sens avec un modèle d'embedding, sinon par les mots.
personas = Rôles
personas-text = Des consignes à échanger. Elles sont proposées plus haut.
prompts = Modèles de texte
prompts-text = Des textes dont vous avez souvent besoin. Tapez / et le début d'un nom pour en insérer un. Ce qui est entre doubles accolades est sélectionné, à remplacer.
name = Nom
text = Texte
add = Ajouter
data = Vos données
data-text = Les conversations sont gardées dans ce navigateur et nulle part ailleurs.
library-newer = Une version plus récente de Parlance est passée ici dans un autre onglet. Rechargez cette page pour l'obtenir.
library-full = Le stockage de cet appareil est plein : ce qui est dit maintenant n'est pas gardé. Supprimez un modèle ou des conversations dont vous n'avez pas besoin.
export-all-json = Tout exporter en JSON
export-all-markdown = Tout exporter en Markdown
import-conversations = Importer des conversations
import-conversations-text = Fichiers JSON exportés par Parlance, ChatGPT ou Open WebUI.
imported = { $added ->
    [one] { $added } conversation ajoutée
   *[other] { $added } conversations ajoutées
}, { $known } étaient déjà là.
delete-all = Supprimer toutes les conversations
delete-all-text = Cela supprime toutes les conversations, avec leurs fichiers et brouillons, et ce qui a été gardé de leur calcul. Les modèles et les réglages restent.

## Performance

performance = Performances
speed-of-answers = Jetons par seconde, réponse après réponse
no-answers = Les réponses de cette visite apparaîtront ici.
no-model-to-measure = Aucun modèle n'est chargé. Sa vitesse et sa mémoire apparaîtront ici.
last-answer = Dernière réponse : { $rate } jetons/s, entrée lue à { $prefill } jetons/s, premier jeton après { $seconds } s
adapter = GPU
features = Fonctions optionnelles utilisées
weights = Poids sur le GPU
kv-cache = Cache KV sur le GPU
worker-memory = Mémoire hors du GPU, au plus
benchmark = Mesure
benchmark-text = Demande au modèle trois réponses de 64 jetons et donne les médianes.
run-benchmark = Mesurer
benchmark-result = { $rate } jetons/s, entrée lue à { $prefill } jetons/s, premier jeton après { $seconds } s
copy-result = Copier le résultat

## Playground

playground = Banc d'essai
playground-text = Demandez une réponse d'une certaine forme : elle respecte toujours le schéma JSON.
playground-question = Décris la capitale de la France.
question = Question
json-schema = Schéma JSON
ask = Demander
answer = Réponse
instructions = Consignes pour cette conversation
instructions-text = Ce que le modèle apprend d'abord dans cette conversation. Vide : les réglages s'appliquent.
save = Enregistrer

## Shortcuts

shortcuts = Raccourcis clavier
shortcut-help = Afficher cette liste
shortcut-search = Chercher dans les conversations
shortcut-sidebar = Afficher ou masquer les conversations
shortcut-stop = Arrêter la réponse
shortcut-prompts = Insérer un modèle de texte
shortcut-newline = Nouvelle ligne

## Around

close = Fermer
page-failed = La page a rencontré une erreur et s'est arrêtée. Tout ce qui a été dit est gardé ; rechargez pour continuer.
model-recovered = Quelque chose a échoué un instant ({ $message }). Le modèle a été rechargé et continue.
engine-restarted = Le moteur s'est arrêté ({ $message }) et a été relancé. Rien n'a été perdu.
reload = Recharger
new-version = Une nouvelle version de Parlance est prête.
not-found-title = Cette page n'existe pas
not-found-text = L'adresse est peut-être mal écrite.
go-to-chat = Aller à la discussion
help-network = Vérifiez l'adresse et votre connexion, puis réessayez. Un autre site doit permettre à celui-ci de lire ses fichiers (CORS).
help-not-allowed = Parlance ne se connecte qu'à son propre site et aux hôtes que vous avez autorisés.
allow-source = Autoriser { $host } et rouvrir la page
allowed-elsewhere = Cet hôte est maintenant autorisé, mais un autre onglet de Parlance a été ouvert avant. Fermez-le ou rouvrez-le.
allowed-sources = Connexions
allowed-sources-text = Hôtes d'où ce site peut récupérer des modèles, en plus de lui-même. Les conversations ne vont à aucun d'eux.
forget = Oublier
help-other-model = Choisissez un autre modèle, ou le modèle d'essai.
help-storage = Voir ce qui est gardé sur cet appareil
help-new-chat = Commencez une nouvelle conversation, ou laissez les réglages écarter les messages les plus anciens.
webgpu-intro = Parlance calcule sur votre GPU grâce à WebGPU, que ces navigateurs possèdent :
webgpu-hint = Si le vôtre en est, vérifiez que l'accélération matérielle est active et que la page est ouverte en https ou depuis localhost.
webgpu-chrome = Sous Linux, à partir de 144 ; s'il reste inactif, ouvrez chrome://flags/#enable-unsafe-webgpu et activez-le.
webgpu-safari = Mettez le système à jour : le navigateur vient avec lui.
webgpu-firefox = Ailleurs, ouvrez about:config et mettez dom.webgpu.enabled à true, ou prenez Chrome.

## Failures

failure-no-webgpu = Ce navigateur n'offre pas WebGPU.
failure-no-gpu = WebGPU n'a trouvé aucun GPU utilisable ({ $detail }).
failure-http-status = Le modèle n'a pas pu être récupéré : le serveur a répondu { $status } pour { $url }.
failure-network = Le modèle n'a pas pu être récupéré : { $detail }.
failure-bad-answer = Le modèle n'a pas pu être récupéré : la réponse du serveur n'a pas de sens ({ $detail }).
failure-not-allowed = Cette page ne peut pas se connecter à { $host }, car personne ne l'a encore autorisé.
failure-changed = Le modèle n'a pas pu être récupéré : le fichier à son adresse a changé entre-temps. Réessayez.
failure-damaged = Le modèle sur cet appareil est endommagé. Il a été supprimé ; chargez-le de nouveau.
failure-wrong-checksum = « { $name } » a été refusé : sa somme de contrôle n'est pas celle qu'indique son adresse ou son serveur. Rien n'en est conservé.
failure-unusable-copy = Le fichier sur cet appareil a la bonne somme de contrôle, mais aucun modèle ne peut en être chargé : { $detail }. Un nouveau téléchargement n'y changerait rien.
failure-bad-pin = Ce qui suit « # » dans l'adresse du modèle ne peut pas être comparé : il faut « sha256= », puis pour chaque fichier du modèle (nombre de fichiers : { $files }) une somme de contrôle de 64 chiffres hexadécimaux, séparées par des virgules.
failure-not-gguf = Ce n'est pas un fichier de modèle GGUF : il commence par { $detail }, et non par « GGUF ».
failure-gguf-version = La version { $version } de GGUF n'est pas prise en charge ; les versions 2 et 3 le sont.
failure-cut-short = Le fichier du modèle est incomplet : il fait { $length } et il faut au moins { $needed }. Téléchargez-le de nouveau.
failure-malformed = Le fichier du modèle est endommagé : { $detail }.
failure-missing-entry = Il manque au fichier du modèle la métadonnée « { $name } », ou elle n'a pas le bon type.
failure-missing-tensor = Il manque au fichier du modèle le tenseur « { $name } ».
failure-architecture = Les modèles d'architecture « { $name } » ne sont pas encore pris en charge.
failure-format = Le tenseur « { $tensor } » est enregistré en { $format }, qui n'est pas encore pris en charge.
failure-tokenizer = Le tokeniseur du modèle est inutilisable : { $detail }.
failure-template = Le gabarit de conversation du modèle a échoué : { $detail }.
failure-gpu = Le GPU a signalé une erreur : { $detail }.
failure-wrong-results = Ce navigateur ou son pilote graphique calcule mal. Le modèle peut fonctionner sur le processeur.
failure-too-large = Le modèle ne tient pas sur cet appareil : { $detail }.
failure-out-of-memory = L'appareil n'a pas assez de mémoire pour ce modèle, même avec un petit contexte ; essayez un modèle plus petit ({ $detail }).
failure-context-too-large = Un contexte de { $tokens } jetons ne tient pas sur cet appareil ; { $room } jetons tiendraient.
failure-context-full = Cette conversation compte { $tokens } jetons, mais le contexte n'en contient que { $room }.
failure-question-too-long = À elle seule, la dernière question compte { $tokens } jetons avec les instructions, les fichiers et le début de la réponse, mais le contexte n'en contient que { $room }. Raccourcissez-la, joignez moins de texte ou choisissez un contexte plus grand.
failure-cannot-chat = Ce modèle transforme des textes en vecteurs ; il ne peut pas converser.
failure-only-chats = Le modèle chargé est fait pour converser ; il faut un modèle d'embedding.
failure-no-model = Aucun modèle n'est chargé. Chargez-en un d'abord.
failure-no-storage = Ce navigateur ne conserve pas de fichiers.
failure-not-kept = Ce modèle n'est plus sur cet appareil.
failure-storage-full = L'espace de stockage de cet appareil est plein. Supprimez un modèle dont vous n'avez pas besoin.
failure-storage-full-by = L'espace de stockage de cet appareil est plein : il faut { $needed }, il reste { $free }. Supprimez un modèle dont vous n'avez pas besoin.
failure-storage = L'espace de stockage de cet appareil est inutilisable : { $detail }.
failure-field = La requête est incorrecte à « { $name } » : { $detail }.
failure-grammar = La forme de la réponse ne peut pas être respectée : { $detail }.
failure-bad-address = L'adresse du modèle n'est pas une adresse que l'on peut charger.
failure-several-models = Choisissez un seul fichier GGUF, ou toutes les parties d'un même modèle en plusieurs fichiers.
failure-interrupted = C'est arrêté.
failure-engine-stopped = Le moteur s'est arrêté : { $detail }. Votre conversation est toujours là ; réessayez.

## Quantities

millions = { $number } millions
billions = { $number } milliards
under-a-second = moins d'une seconde
days = { $count } jours
