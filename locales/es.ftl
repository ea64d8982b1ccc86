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
not-a-text = { $name } no es texto, o supera { $limit }.
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
export-all-json = Exportar todo como JSON
export-all-markdown = Exportar todo como Markdown
import-conversations = Importar conversaciones
import-conversations-text = Archivos JSON exportados por Parlance, ChatGPT u Open WebUI.
imported = { $added ->
    [one] Se añadió { $added } conversación
   *[other] Se añadieron { $added } conversaciones
}, { $known } ya estaban aquí.
delete-all = Eliminar todas las conversaciones

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
help-new-chat = Empieza una conversación nueva para hacer sitio.
webgpu-intro = Parlance calcula en tu GPU mediante WebGPU, que tienen estos navegadores:
webgpu-hint = Si el tuyo está entre ellos, comprueba que la aceleración por hardware está activada y que la página se abrió por https o desde localhost.
webgpu-chrome = En Linux, desde la 144; si sigue apagado, abre chrome://flags/#enable-unsafe-webgpu y actívalo.
webgpu-safari = Actualiza el sistema: el navegador viene con él.
webgpu-firefox = En otros sistemas, abre about:config y pon dom.webgpu.enabled en true, o usa Chrome.

## Quantities

millions = { $number } millones
billions = { $number } mil millones
under-a-second = menos de un segundo
days = { $count } días
