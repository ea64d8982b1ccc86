# La interfaz en español.

## Conversation

you = Tú
assistant = Parlance
conversation = Conversación
message = Mensaje
send = Enviar
stop = Detener
attach = Adjuntar archivos de texto
remove = Quitar
file-is-image = { $name } es una imagen. Solo se puede adjuntar texto.
file-is-pdf = { $name } es un PDF, cuyo texto no se puede leer aquí. Guárdalo como archivo de texto o pega el texto.
file-is-binary = { $name } no es un archivo de texto.
file-not-utf8 = { $name } no está codificado en UTF-8. Guárdalo como UTF-8 y adjúntalo de nuevo.
file-too-large = { $name } ocupa { $size }. Los archivos de una pregunta pueden ocupar { $limit } en total.
file-unreadable = No se pudo leer { $name }.
waiting-for-model = Esperando al modelo
reading-prompt = Leyendo, { $percent } %
thinking = Pensando…
thought-for = Pensó durante { $time }
answer-begins = Se está escribiendo la respuesta.
answer-is-there = La respuesta está lista.
cut-off = La página se cerró antes de terminar la respuesta.
answered-elsewhere = Se está respondiendo en otra pestaña.
ended-at-limit = cortada en el límite
ended-by-user = detenida
context-mark = Los mensajes anteriores a esta línea ya no se envían al modelo.
token-count = { $count ->
    [one] { $count } token
   *[other] { $count } tokens
}
tokens-per-second = { $rate } tokens/s
answer-details = { $prompt } tokens de entrada ({ $cached } en caché), primer token tras { $seconds } s
copy = Copiar
copied = Copiado
download = Descargar
edit = Editar
edit-message = Editar el mensaje
ask-again = Preguntar de nuevo
regenerate = Otra respuesta
continue = Continuar
sources = Fuentes
about-tokens = unos { $count } tokens
exact-tokens = { $count } tokens
read-aloud = Leer en voz alta
delete = Eliminar
previous-branch = Versión anterior
next-branch = Versión siguiente
branch-place = { $place } de { $count }
message-deleted = Se eliminó el mensaje y lo que le seguía.
fine-print = Funciona en este dispositivo. Nada de lo que escribes sale de él.
welcome-title = Pregunta lo que quieras. Se queda aquí.
welcome-text = Parlance ejecuta un modelo de lenguaje en esta pestaña, en tu propia GPU: sin cuenta, sin servidor, sin nadie escuchando.
welcome-text-cpu = Parlance ejecuta un modelo de lenguaje en esta pestaña, en tu propio procesador: sin cuenta, sin servidor, sin nadie que escuche.
jump-to-latest = Ir a lo más reciente
drop-here = Suelta archivos aquí: los textos acompañan al mensaje, un archivo GGUF se examina como modelo.
suggestion-fact = ¿Cuál es la capital de Francia?
suggestion-explain = Explica en dos frases por qué el cielo es azul
suggestion-write = Escribe un haiku sobre el mar

## Conversations

conversations = Conversaciones
new-chat = Nueva conversación
search-conversations = Buscar en las conversaciones
no-conversations = Aquí aparecerán tus conversaciones.
nothing-found = No se encontró nada.
pinned = Fijadas
last-day = Últimas 24 horas
last-week = Últimos 7 días
last-month = Últimos 30 días
older = Anteriores
more = Más
rename = Cambiar nombre
title = Título
pin = Fijar
unpin = Soltar
move-to-folder = Mover a una carpeta
folder = Carpeta
export-markdown = Exportar como Markdown
export-json = Exportar como JSON
conversation-deleted = Se eliminó la conversación.
conversations-deleted = Se eliminaron todas las conversaciones.
undo = Deshacer

## Models

model = Modelo
models = Modelos
no-model = Sin modelo
loading = Cargando…
choose-model = Elegir un modelo
all-models = Todos los modelos
demo-model = Modelo de prueba
demo-model-text = SmolLM2 135M Instruct, 98 MB: pequeño y rápido, para una primera impresión.
demo-model-offer = 98 MB, un modelo pequeño de prueba. Se carga con tu primer mensaje, o ahora mismo:
load-model = Cargar modelo
linked-model = Un enlace pide el modelo { $name } de { $host }.
linked-model-of-size = Un enlace pide el modelo { $name } de { $host }, unos { $size }.
linked-model-replaces = Ocuparía el lugar de { $name }, que quizá usan otras pestañas.
load = Cargar
unload = Descargar de la memoria
look = Ver
use-model = Usar
resume = Reanudar
pause = Pausa
from-address = Desde una dirección
from-address-text = Un archivo GGUF, o uno de Hugging Face como propietario/repositorio/archivo.gguf. Ves qué es antes de cargarlo.
not-an-address = Esto no es la dirección de un archivo.
from-device = Desde este dispositivo
choose-and-remember = Elegir y recordar
from-device-text = O suéltalo en cualquier parte de la página.
model-details = { $gpu } en la GPU, como mucho { $memory } aparte · contexto de { $tokens } tokens · cargado en { $seconds } s · { $adapter }
model-details-cpu = { $gpu } leídos, como mucho { $memory } en uso · contexto de { $tokens } tokens · cargado en { $seconds } s · { $adapter }
idle-unload = Liberar su memoria cuando no se use
never = Nunca
after-time = Tras { $time }
opening-gpu = Abriendo la GPU
downloading-model = Descargando el modelo
uploading-model = Pasando el modelo a la GPU
getting-ready = Preparando
loading-model = Cargando el modelo
part-of = { $part } de { $whole }
time-left = faltan { $time }
load-with-context = Cargar con un contexto de { $tokens } tokens
plan-for = Planear para { $tokens } tokens
try-again = Reintentar
computes-on-cpu = Este navegador calcula en la CPU, porque no encontró una GPU que pueda usar. Las respuestas serán lentas.
runs-on-cpu = Sin GPU aquí: el modelo funciona en el procesador, más despacio.
computes-plainly = Parte de los cálculos en la GPU son erróneos en este navegador, así que Parlance calcula aquí de una forma más sencilla: las respuestas son correctas, pero más lentas. Actualizar el navegador o el controlador gráfico puede ayudar.
gpu-computes-wrongly = La GPU calcula mal en este navegador, así que el modelo funciona en el procesador, más despacio. Actualizar el navegador o el controlador gráfico puede ayudar.
compute-on = Calcular en
compute-auto = Automático
compute-gpu = GPU (WebGPU)
compute-cpu = Procesador
small-cache = Guardar las conversaciones en la mitad de la memoria de la GPU (8 bits: algo menos exacto)
reading-header = Leyendo qué es…
parameters = { $count } de parámetros
in-files = en { $count } archivos
takes-memory = Ocupa { $total } de memoria de GPU: { $weights } para los pesos, { $context } para un contexto de { $tokens } tokens, { $scratch } para calcular.
context = Contexto
context-of = contexto de { $tokens } tokens
cannot-chat = Este modelo convierte textos en vectores; no puede conversar. Elige otro.
is-here = Ya está en este dispositivo.
partly-here = { $size } ya están aquí.
room-is-missing = Para guardarlo hacen falta { $missing }, y al navegador solo le quedan { $free }: se cargará, pero no se guardará.
room-is-there = Para guardarlo hacen falta { $missing } de { $free } libres.
all-families = Todas
families = Familias
filter-models = Filtrar por nombre, familia, licencia
add-model = Añadir un modelo
no-catalogue = No se pudo leer la lista de modelos. Añade uno por su dirección o desde un archivo.
needs-memory = necesita unos { $size }
fit-good = Cabe en este dispositivo
fit-tight = Quizá quepa en este dispositivo
fit-too-large = Demasiado grande para este dispositivo
fit-unknown = Este navegador no dice cuánta memoria hay
about-bundled = Viene con esta página y funciona sin red. Para una primera impresión.
about-tiny = Funciona casi en todo. Para textos cortos y preguntas sencillas.
about-small = Para preguntas cotidianas en un teléfono o un portátil viejo.
about-medium = Buenas respuestas en un portátil.
about-large = Las mejores respuestas, con una tarjeta gráfica.
about-thinks = Piensa antes de responder. Bueno en cálculo y lógica.
about-code = Escribe y explica programas.
about-tools = Usa herramientas y sigue las instrucciones con cuidado.
about-open = También sus datos y su código de entrenamiento son públicos.

## Storage

storage = En este dispositivo
looking = Buscando…
is-persisted = El navegador guarda estos archivos hasta que los elimines.
is-not-persisted = El navegador puede eliminar estos archivos cuando el disco se llene.
persist = Guardarlos
import-title = Guardar una copia de un archivo
import-text = Un archivo GGUF de tu disco, para que esté aquí la próxima vez.
room-used = Se usan { $used } de los { $quota } que el navegador da a este sitio.
no-kept-models = Aún no hay modelos aquí. El primero que cargues se quedará.
partly-kept = { $done } de { $total }; al cargarlo se completa
used-ago = usado hace { $time }
never-used = nunca usado
is-intact = Está intacto.
is-damaged = Está dañado. Elimínalo y cárgalo de nuevo.
is-being-read = Leyendo…
checksum-verified = suma de comprobación correcta
verify = Comprobar
delete-for-good = Eliminar del todo
cancel = Cancelar

## Settings

settings = Ajustes
pages = Páginas
chat = Chat
looks = Interfaz
language = Idioma
language-of-browser = El del navegador
theme = Tema
theme-system = El del sistema
theme-light = Claro
theme-dark = Oscuro
compact = Compacto: menos espacio entre líneas
enter-sends = Intro envía, Mayús+Intro hace una línea nueva. Si no, Ctrl+Intro envía.
sampling = Cómo se eligen las respuestas
preset-precise = Preciso
preset-balanced = Equilibrado
preset-creative = Creativo
temperature = Temperatura
temperature-help = Cuán aventurada es la elección de palabras. 0 toma siempre la más probable.
top-p = Top-p
top-p-help = Solo las palabras más probables que juntas alcanzan esta probabilidad. 1 las toma todas.
top-k = Top-k
top-k-help = Solo este número de palabras entre las más probables. 0 las toma todas.
min-p = Min-p
min-p-help = Descarta palabras cuya probabilidad es menor que esta parte de la más probable.
repetition-penalty = Penalización por repetición
repetition-penalty-help = Hace menos probables las palabras ya usadas. 1 no cambia nada; los modelos pequeños necesitan un poco.
max-tokens = Respuesta más larga, en tokens
max-tokens-help = Un token es una palabra o parte de ella. Vacío: mientras quepa en el contexto.
seed = Semilla
seed-help = El mismo número da la misma respuesta a la misma pregunta. Vacío: otra cada vez.
system-prompt = Instrucciones para el modelo
system-prompt-text = Lo que se le dice al modelo antes de cada conversación.
system-prompt-example = Eres un asistente útil. Responde con brevedad.
thinks = Los modelos que pueden pensar antes lo hacen
uses-tools = Los modelos pueden usar una calculadora y un reloj. Sus llamadas se muestran con la respuesta.
guesses-ahead = Adivinar lo que sigue: lo que repite la conversación llega antes
drops-oldest = En conversaciones largas, omitir las preguntas y respuestas más antiguas cuando el contexto está lleno. Una línea muestra cuáles.
embedding-model = Modelo que busca en archivos largos
embedding-model-text = En los archivos que no caben en el contexto se buscan los pasajes que importan para la pregunta: con un modelo de embeddings por su significado, sin él por sus palabras.
personas = Papeles
personas-text = Instrucciones para alternar. Se ofrecen arriba.
prompts = Plantillas
prompts-text = Textos que necesitas a menudo. Escribe / y el comienzo de un nombre para insertar uno. Lo que va entre llaves dobles queda marcado para sustituirlo.
name = Nombre
text = Texto
add = Añadir
data = Tus datos
data-text = Las conversaciones se guardan en este navegador y en ningún otro sitio.
library-newer = Una versión más reciente de Parlance estuvo aquí en otra pestaña. Recarga esta página para obtenerla.
library-full = El almacenamiento de este dispositivo está lleno: lo que se diga ahora no se guarda. Elimina un modelo o conversaciones que no necesites.
export-all-json = Exportar todo como JSON
export-all-markdown = Exportar todo como Markdown
import-conversations = Importar conversaciones
import-conversations-text = Archivos JSON exportados por Parlance, ChatGPT u Open WebUI.
imported = { $added ->
    [one] Se añadió { $added } conversación
   *[other] Se añadieron { $added } conversaciones
}, { $known } ya estaban aquí.
delete-all = Eliminar todas las conversaciones
delete-all-text = Esto elimina todas las conversaciones, con sus archivos y borradores, y lo que se guardó de su cálculo. Los modelos y los ajustes se quedan.

## Performance

performance = Rendimiento
speed-of-answers = Tokens por segundo, respuesta a respuesta
no-answers = Aquí aparecerán las respuestas de esta visita.
no-model-to-measure = No hay ningún modelo cargado. Aquí aparecerán su velocidad y su memoria.
last-answer = Última respuesta: { $rate } tokens/s, entrada leída a { $prefill } tokens/s, primer token tras { $seconds } s
adapter = GPU
features = Funciones opcionales en uso
weights = Pesos en la GPU
kv-cache = Caché KV en la GPU
worker-memory = Memoria fuera de la GPU, como mucho
benchmark = Medición
benchmark-text = Pide al modelo tres respuestas de 64 tokens y da las medianas.
run-benchmark = Medir
benchmark-result = { $rate } tokens/s, entrada leída a { $prefill } tokens/s, primer token tras { $seconds } s
copy-result = Copiar el resultado

## Playground

playground = Banco de pruebas
playground-text = Pide una respuesta de cierta forma: siempre cumple el esquema JSON.
playground-question = Describe la capital de Francia.
question = Pregunta
json-schema = Esquema JSON
ask = Preguntar
answer = Respuesta
instructions = Instrucciones para esta conversación
instructions-text = Lo que se le dice primero al modelo en esta conversación. Vacío: valen los ajustes.
save = Guardar

## Shortcuts

shortcuts = Atajos de teclado
shortcut-help = Mostrar esta lista
shortcut-search = Buscar en las conversaciones
shortcut-sidebar = Mostrar u ocultar las conversaciones
shortcut-stop = Detener la respuesta
shortcut-prompts = Insertar una plantilla
shortcut-newline = Línea nueva

## Around

close = Cerrar
page-failed = La página tuvo un fallo propio y se detuvo. Todo lo dicho está guardado; recarga para seguir.
model-recovered = Algo falló por un momento ({ $message }). El modelo se cargó de nuevo y continúa.
engine-restarted = El motor se detuvo ({ $message }) y se inició de nuevo. No se perdió nada.
reload = Recargar
new-version = Hay una versión nueva de Parlance.
not-found-title = Esta página no existe
not-found-text = Puede que la dirección esté mal escrita.
go-to-chat = Ir al chat
help-network = Comprueba la dirección y tu conexión, y vuelve a intentarlo. Otro sitio tiene que permitir a este leer sus archivos (CORS).
help-not-allowed = Parlance solo se conecta a su propio sitio y a los servidores que hayas permitido.
allow-source = Permitir { $host } y volver a abrir la página
allowed-elsewhere = Este servidor ya está permitido, pero otra pestaña de Parlance se abrió antes. Ciérrala o ábrela de nuevo.
allowed-sources = Conexiones
allowed-sources-text = Servidores de los que este sitio puede obtener modelos, además de sí mismo. Las conversaciones no van a ninguno.
forget = Olvidar
help-other-model = Elige otro modelo, o el de prueba.
help-storage = Ver qué hay en este dispositivo
help-new-chat = Empieza una conversación nueva, o deja que los ajustes omitan los mensajes más antiguos.
webgpu-intro = Parlance calcula en tu GPU mediante WebGPU, que tienen estos navegadores:
webgpu-hint = Si el tuyo está entre ellos, comprueba que la aceleración por hardware está activada y que la página se abrió por https o desde localhost.
webgpu-chrome = En Linux, desde la 144; si sigue apagado, abre chrome://flags/#enable-unsafe-webgpu y actívalo.
webgpu-safari = Actualiza el sistema: el navegador viene con él.
webgpu-firefox = En otros sistemas, abre about:config y pon dom.webgpu.enabled en true, o usa Chrome.

## Failures

failure-no-webgpu = Este navegador no ofrece WebGPU.
failure-no-gpu = WebGPU no encontró ninguna GPU utilizable ({ $detail }).
failure-http-status = No se pudo obtener el modelo: el servidor respondió { $status } para { $url }.
failure-network = No se pudo obtener el modelo: { $detail }.
failure-bad-answer = No se pudo obtener el modelo: la respuesta del servidor no tiene sentido ({ $detail }).
failure-not-allowed = Esta página no puede conectarse a { $host }, porque nadie lo ha permitido todavía.
failure-changed = No se pudo obtener el modelo: el archivo de su dirección cambió mientras tanto. Inténtalo de nuevo.
failure-damaged = El modelo de este dispositivo está dañado. Se ha eliminado; cárgalo de nuevo.
failure-wrong-checksum = Se rechazó «{ $name }»: su suma de comprobación no es la que indica su dirección o su servidor. No se conserva nada de él.
failure-unusable-copy = El archivo de este dispositivo tiene la suma de comprobación correcta, pero no se puede cargar ningún modelo con él: { $detail }. Descargarlo de nuevo no ayudaría.
failure-bad-pin = Lo que sigue a «#» en la dirección del modelo no se puede comparar: debe ser «sha256=» y, para cada archivo del modelo (número de archivos: { $files }), una suma de comprobación de 64 dígitos hexadecimales, separadas por comas.
failure-not-gguf = Esto no es un archivo de modelo GGUF: empieza por { $detail }, no por «GGUF».
failure-gguf-version = La versión { $version } de GGUF no es compatible; sí lo son la 2 y la 3.
failure-cut-short = El archivo del modelo está incompleto: tiene { $length } y necesita al menos { $needed }. Descárgalo de nuevo.
failure-malformed = El archivo del modelo está dañado: { $detail }.
failure-missing-entry = Al archivo del modelo le falta el metadato «{ $name }» o es de un tipo incorrecto.
failure-missing-tensor = Al archivo del modelo le falta el tensor «{ $name }».
failure-architecture = Los modelos de la arquitectura «{ $name }» aún no son compatibles.
failure-format = El tensor «{ $tensor }» está guardado como { $format }, que aún no es compatible.
failure-tokenizer = No se puede usar el tokenizador del modelo: { $detail }.
failure-template = La plantilla de chat del modelo falló: { $detail }.
failure-gpu = La GPU comunicó un error: { $detail }.
failure-wrong-results = Este navegador o su controlador gráfico calcula mal. El modelo puede ejecutarse en el procesador.
failure-too-large = El modelo no cabe en este dispositivo: { $detail }.
failure-out-of-memory = El dispositivo no tiene memoria suficiente para este modelo, ni siquiera con un contexto pequeño; prueba un modelo más pequeño ({ $detail }).
failure-context-too-large = Un contexto de { $tokens } tokens no cabe en este dispositivo; { $room } tokens sí cabrían.
failure-context-full = Esta conversación tiene { $tokens } tokens, pero en el contexto caben { $room }.
failure-question-too-long = Solo la última pregunta tiene { $tokens } tokens, con las instrucciones, los archivos y lo ya respondido, pero en el contexto caben { $room }. Acórtala, adjunta menos o elige un contexto mayor.
failure-cannot-chat = Este modelo convierte textos en vectores; no puede chatear.
failure-only-chats = El modelo cargado es para chatear; hace falta un modelo de embeddings.
failure-no-model = No hay ningún modelo cargado. Carga uno primero.
failure-no-storage = Este navegador no conserva archivos.
failure-not-kept = Este modelo ya no está en este dispositivo.
failure-storage-full = El almacenamiento de este dispositivo está lleno. Elimina un modelo que no necesites.
failure-storage-full-by = El almacenamiento de este dispositivo está lleno: hacen falta { $needed } y quedan { $free }. Elimina un modelo que no necesites.
failure-storage = No se puede usar el almacenamiento de este dispositivo: { $detail }.
failure-field = La petición es incorrecta en «{ $name }»: { $detail }.
failure-grammar = No se puede mantener la forma de la respuesta: { $detail }.
failure-bad-address = La dirección del modelo no es una que se pueda cargar.
failure-several-models = Elige un solo archivo GGUF, o todas las partes de un mismo modelo en varios archivos.
failure-interrupted = Se detuvo.
failure-engine-stopped = El motor dejó de funcionar: { $detail }. Tu conversación sigue aquí; inténtalo de nuevo.

## Quantities

millions = { $number } millones
billions = { $number } mil millones
under-a-second = menos de un segundo
days = { $count } días
