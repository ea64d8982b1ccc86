# La interfaz en español.

## Chat

you = Tú
assistant = Parlance
conversation = Conversación
message = Escribe un mensaje
send = Enviar
queue-message = Enviar después de esta respuesta
queued = En espera de enviarse
take-back = Editar antes de enviar
quote-selection = Citar la selección
stop = Detener
attach = Adjuntar archivos o imágenes
take-photo = Hacer una foto
dictate = Dictar
stop-dictating = Terminar el dictado
talk = Hablar con el modelo
stop-talking = Dejar de hablar
opening-microphone = Abriendo el micrófono…
listening = Escuchando…
transcribing = Escribiendo lo que se ha dicho…
sound-level = Nivel de sonido
microphone-not-allowed = El micrófono no está permitido. Permítelo para este sitio en el navegador e inténtalo de nuevo.
microphone-missing = No se ha encontrado ningún micrófono. Conecta uno e inténtalo de nuevo.
microphone-unusable = No se puede usar el micrófono. Quizá lo esté usando otro programa.
microphone-unplugged = El micrófono se ha desconectado. Lo dicho hasta entonces está en el mensaje.
nothing-heard = No se ha entendido nada.
speech-recognition = Reconocimiento de voz
speech-recognition-text = Un modelo en este dispositivo convierte la voz en texto. Se descarga una sola vez. Lo que dices y tus grabaciones nunca salen de este dispositivo.
speech-model = Modelo de voz
loading-speech-model = Cargando el modelo de voz…
recording = Grabación
decoding-recording = Leyendo la grabación…
transcribed-of = { $done } de { $total }
transcript-complete = La transcripción está completa.
transcript-incomplete = La transcripción termina aquí.
transcript = Transcripción
play-from-here = Reproducir desde aquí
save-as-text = Guardar como texto
save-as-srt = Guardar como SRT
save-as-vtt = Guardar como WebVTT
attach-transcript = Adjuntar al mensaje
reading-files = Leyendo archivos…
reading-document = Leyendo { $name }… { $percent } %
remove = Quitar
file-is-image = { $name } es una imagen de un formato que aquí no se puede leer. Se pueden leer PNG, JPEG, WebP, AVIF y GIF.
page-of = { $name }, página { $page }
pdf-cut-off = Solo se adjuntaron las primeras { $count } páginas sin texto de { $name }.
document-encrypted = { $name } tiene contraseña o protección contra copia y no se puede leer.
document-damaged = { $name } está dañado o tarda demasiado en leerse.
document-unknown = { $name } es de un tipo que aquí no se puede leer.
document-empty = { $name } no contiene texto.
document-too-large = { $unit ->
    [bytes] { $name } contiene más de { $limit } de datos comprimidos y no se leyó.
    [text] { $name } tiene más de { $limit } de texto y no se leyó.
    [files] { $name } tiene más de { $limit } archivos y no se leyó.
    [pages] { $name } tiene más de { $limit } páginas y no se leyó.
    [cells] { $name } tiene más de { $limit } celdas y no se leyó.
   *[nesting] { $name } está anidado a demasiada profundidad y no se leyó.
}
file-is-binary = { $name } no es un archivo de texto.
file-not-utf8 = { $name } no está codificado en UTF-8. Guárdalo como UTF-8 y vuelve a adjuntarlo.
file-too-large = { $name } ocupa { $size }. Los archivos adjuntos están limitados a { $limit } por mensaje.
file-unreadable = No se pudo leer { $name }.
image-too-large = { $name } es demasiado grande: las imágenes pueden tener hasta 100 millones de píxeles y 67 MB.
image-damaged = { $name } está dañada o incompleta y no se puede mostrar a un modelo.
image-scaled = { $name } se redujo de { $from } a { $to } píxeles.
image = Imagen
image-description = Descripción (texto alternativo)
image-missing = Esta imagen ya no está en este dispositivo.
waiting-for-model = Esperando al modelo…
processing-prompt = Procesando el prompt… { $percent } %
looking-at-images = Mirando las imágenes… { $percent } %
thinking = Pensando…
thought-for = Pensó durante { $time }
response-started = Generando una respuesta.
response-finished = Respuesta completa.
response-incomplete = La página se cerró antes de que terminara la respuesta.
response-elsewhere = Esta respuesta se está generando en otra pestaña.
token-limit-reached = límite de tokens alcanzado
stopped-by-user = detenida
context-cutoff = Los mensajes por encima de esta línea ya no caben en el contexto y no se envían al modelo.
context-gauge = { $used } de { $limit } tokens
context-contents = Qué ocupa el contexto
context-summary = Resumen
context-messages = Mensajes
context-files = Archivos
context-images = Imágenes
context-draft = El mensaje que escribes
context-estimate = Estimado. El resto queda para la respuesta.
context-left-out = { $count ->
    [one] { $count } mensaje ya no se envía al modelo. Está marcado en el chat.
   *[other] { $count } mensajes ya no se envían al modelo. Están marcados en el chat.
}
summarize = Resumir los mensajes anteriores
summarizing = Resumiendo…
summary-instead = En lugar de los mensajes anteriores se envía un resumen.
summary-failed = El modelo no escribió ningún resumen. No se cambió nada.
chat-statistics = Este chat hasta ahora
statistics-read = Tokens leídos
statistics-cached = Tokens de la caché KV
statistics-written = Tokens escritos
statistics-time = Tiempo de las respuestas
statistics-speed = Velocidad media
token-count = { $count ->
    [one] { $count } token
   *[other] { $count } tokens
}
tokens-per-second = { $rate } tok/s
generation-details = { $prompt } tokens de prompt ({ $cached } en caché), tiempo hasta el primer token: { $seconds } s
copy = Copiar
copied = Copiado
copy-csv = Copiar como CSV
download = Descargar
edit = Editar
edit-message = Editar mensaje
regenerate = Regenerar
regenerate-with = Otro modelo…
compare = En paralelo
show-version = Mostrar esta respuesta
continue = Continuar
sources = Fuentes
source = Fuente
place-page = página { $number }
place-sheet = hoja { $number }
place-slide = diapositiva { $number }
place-chapter = capítulo { $number }
estimated-tokens = unos { $count } tokens
exact-tokens = { $count } tokens
read-aloud = Leer en voz alta
delete = Eliminar
previous-branch = Versión anterior
next-branch = Versión siguiente
branch-position = { $position } de { $count }
message-deleted = Mensaje eliminado, junto con todo lo que le seguía.
fine-print = Funciona en este dispositivo. Nada de lo que escribes sale de él.
welcome-title = Pregunta lo que quieras. Se queda en tu dispositivo.
welcome-text = Parlance ejecuta un modelo de lenguaje en esta pestaña, en tu propia GPU: sin cuenta, sin servidor, sin nadie escuchando.
welcome-text-cpu = Parlance ejecuta un modelo de lenguaje en esta pestaña, en tu propia CPU: sin cuenta, sin servidor, sin nadie escuchando.
proposal-title = Un modelo mejor para este dispositivo
device-room = Este dispositivo debería ejecutar bien modelos de hasta { $size }.
device-room-cpu = Sin GPU, este dispositivo debería ejecutar bien modelos de hasta { $size }.
task = Para qué es
task-chat = Preguntas cotidianas
task-code = Programación
task-reasoning = Matemáticas y lógica
task-images = Preguntas sobre imágenes
model-size = Tamaño
size-small = Descarga rápida
size-medium = Un buen equilibrio
size-large = Las mejores respuestas
download-model = Descargar { $size }
allow-and-download = Permitir { $host } y descargar { $size }
demo-meanwhile = Mientras tanto responde el modelo de demostración. Es muy pequeño: comprueba lo que dice.
scroll-to-bottom = Ir al final
drop-files = Suelta archivos aquí. Los textos y las imágenes se adjuntan a tu mensaje; un archivo GGUF se abre como modelo.
suggestion-fact = ¿Cuál es la capital de Francia?
suggestion-explain = Explica en dos frases por qué el cielo es azul
suggestion-write = Escribe un haiku sobre el mar

## Chats

conversations = Chats
new-chat = Nuevo chat
temporary-chat = Chat temporal
temporary-chat-text = No se guarda nada de este chat. Termina cuando lo dejas.
select-chats = Seleccionar chats
select-chat = Seleccionar este chat
selected-count = { $count } seleccionados
search-conversations = Buscar chats
no-conversations = Tus chats aparecerán aquí. Pregunta algo para empezar uno, o importa chats en los ajustes.
no-chats-found = Sin resultados. Prueba con menos palabras, o con # y una etiqueta.
pinned = Fijados
last-day = Últimas 24 horas
last-week = Últimos 7 días
last-month = Últimos 30 días
older = Anteriores
more = Más
rename = Cambiar nombre
title = Título
pin = Fijar
unpin = Dejar de fijar
move-to-folder = Mover a carpeta
folder = Carpeta
tags = Etiquetas
export-markdown = Exportar como Markdown
export-json = Exportar como JSON
conversation-deleted = Chat eliminado.
some-conversations-deleted = { $count } chats eliminados.
conversations-deleted = Todos los chats eliminados.
undo = Deshacer

## Projects

projects = Proyectos
projects-text = Un proyecto reúne instrucciones, archivos y chats. Sus chats encuentran pasajes de sus archivos y los citan con números.
project-name = Nombre del proyecto
new-project = Nuevo proyecto
project-instructions = Instrucciones: se envían al modelo al comienzo de cada chat de este proyecto
project-files = Archivos
projects-empty = Aún no hay nada. Pon nombre a un proyecto arriba, añádele archivos y empieza un chat: las respuestas citarán los archivos por número, y un clic en un número muestra el lugar.
project-file = { $size } de texto · pasajes: { $count }, por significado: { $embedded }
delete-project = Eliminar proyecto
embedding-proposal = Los archivos se buscan por palabras. Un pequeño modelo de embeddings también encuentra pasajes que dicen lo mismo de otra forma; funciona mejor en inglés.
embedding-download = Descargar all-MiniLM-L6-v2 (unos 25 MB)
embedding-source = La dirección se conoce por otros proyectos; el tamaño está calculado y no se ha comprobado.
embedding-files = Los archivos se preparan para la búsqueda por significado. Se pausa mientras esperas una respuesta y con batería.
embedding-failed = El modelo de embeddings no devolvió vectores. Elige otro en los ajustes.

## Models

model = Modelo
models = Modelos
loading = Cargando…
select-model = Selecciona un modelo
models-here = En este dispositivo
advanced = Avanzado
all-models = Todos los modelos
demo-model = Modelo de demostración
demo-model-text = SmolLM2 135M Instruct, 98 MB: pequeño y rápido, ideal para una primera prueba.
demo-model-offer = un pequeño modelo de demostración, 98 MB. Se carga con tu primer mensaje, o ahora mismo:
load-model = Cargar modelo
linked-model = El enlace que has abierto pide cargar { $name } desde { $host }.
linked-model-with-size = El enlace que has abierto pide cargar { $name } (unos { $size }) desde { $host }.
linked-model-replaces = Sustituiría a { $name }, que quizá estén usando otras pestañas.
load = Cargar
unload = Liberar de la memoria
view-details = Ver detalles
use-model = Usar
resume = Reanudar
pause = Pausar
load-from-url = Cargar desde una URL
load-from-url-text = Un archivo GGUF, o uno de Hugging Face como owner/repository/file.gguf. Verás sus detalles antes de cargarlo.
invalid-url = Esta URL no es válida.
load-from-file = Cargar desde un archivo
load-from-file-text = También puedes soltarlo en cualquier parte de la página del chat.
choose-and-remember = Elegir y recordar
model-details = { $gpu } en la GPU, hasta { $memory } de RAM · contexto de { $tokens } tokens · cargado en { $seconds } s · { $adapter }
model-details-cpu = archivo de { $gpu }, hasta { $memory } de RAM · contexto de { $tokens } tokens · cargado en { $seconds } s · { $adapter }
unload-when-idle = Liberar de la memoria tras inactividad
never = Nunca
after-time = Tras { $time }
starting-engine = Iniciando el motor
downloading-model = Descargando el modelo
uploading-model = Cargando el modelo en memoria
preparing = Preparando
loading-model = Cargando el modelo
fetching-model = Descargando { $name }
model-fetched = { $name } está listo.
part-of = { $part } de { $whole }
time-left = quedan { $time }
load-with-context = Cargar con un contexto de { $tokens } tokens
try-context = Probar con un contexto de { $tokens } tokens
try-again = Reintentar
software-webgpu = No se encontró ninguna GPU utilizable, así que este navegador emula WebGPU en la CPU. Las respuestas serán lentas.
runs-on-cpu = No hay GPU disponible: el modelo se ejecuta en la CPU, que es más lenta.
self-test-fallback = Algunos kernels de GPU dan resultados erróneos en este navegador, así que Parlance usa otros más sencillos. Las respuestas son correctas, pero más lentas. Actualizar el navegador o el controlador gráfico puede ayudar.
self-test-failed = La GPU da resultados erróneos en este navegador, así que el modelo se ejecuta en la CPU, que es más lenta. Actualizar el navegador o el controlador gráfico puede ayudar.
compute-device = Dispositivo de cálculo
device-auto = Automático
device-gpu = GPU (WebGPU)
device-cpu = CPU
kv-cache-quantization = Cuantización de la caché KV (8 bits): cerca de la mitad de memoria de GPU por chat, algo menos precisa
reading-header = Leyendo los metadatos del modelo…
parameters = { $count } de parámetros
in-files = en { $count } archivos
memory-estimate = Ocupa { $total } de memoria de GPU: { $weights } para los pesos, { $context } para la caché KV (contexto de { $tokens } tokens) y { $scratch } para búferes temporales.
context-length = Longitud del contexto
context-tokens = contexto de { $tokens } tokens
cannot-chat = Este es un modelo de embeddings y no puede chatear. Elige otro modelo.
sees-with = Ve imágenes con { $name }.
draft-model = Modelo de borrador (más rápido): { $name }, { $size }
drafts-with = { $name } esboza sus respuestas.
sees-images = ve imágenes
model-that-sees = { $model } ve imágenes.
already-downloaded = Ya está en este dispositivo.
partly-downloaded = { $size } ya descargados.
storage-insufficient = Guardarlo requiere { $missing }, pero al navegador solo le quedan { $free }: se cargará sin guardarse.
storage-needed = Guardarlo requiere { $missing } de los { $free } disponibles.
all-families = Todas
model-families = Familias de modelos
filter-models = Filtrar por nombre, familia o licencia
add-model = Añadir modelo
catalogue-unavailable = No se pudo cargar la lista de modelos. Añade un modelo por URL o desde un archivo.
no-models-found = Sin resultados. Prueba con menos palabras u otra familia, o añade un modelo por URL o desde un archivo.
needs-memory = necesita unos { $size } de memoria
fit-good = Debería funcionar en este dispositivo
fit-tight = Puede que funcione en este dispositivo
fit-too-large = Probablemente demasiado grande para este dispositivo
fit-unknown = Memoria del dispositivo desconocida
model-source = Fuente:
source-checked = El tamaño y la suma de comprobación coinciden con otros registros públicos.
source-unchecked = Sin comprobar: el tamaño es aproximado y la suma de comprobación llega con la descarga.
hub-search = Buscar en { $host }
hub-not-allowed = Cuando permitas este servidor, podrás buscar aquí entre miles de modelos. Solo recibirá tus palabras de búsqueda y tus descargas.
hub-words = Buscar un modelo
search = Buscar
searching = Buscando…
hub-nothing-found = Sin resultados. Solo aparecen los repositorios con archivos GGUF. Prueba con menos palabras, por ejemplo, el nombre de un modelo.
hub-refused = El servidor lo rechaza: hace falta un token de acceso, u otro distinto.
hub-failed = No se pudo buscar en el servidor ({ $detail }). Comprueba la conexión e inténtalo de nuevo.
licence-unknown = licencia no indicada
downloads = { $count } descargas
gated = acceso restringido
gated-help = Para descargar estos archivos, acepta las condiciones en la página del repositorio e introduce abajo tu token de acceso.
repository-page = Página del repositorio
hub-no-models = Este repositorio no tiene ningún modelo GGUF completo.
hub-incomplete = { $count ->
    [one] { $count } modelo está incompleto y no aparece.
   *[other] { $count } modelos están incompletos y no aparecen.
}
with-images = Ve imágenes: { $name } ({ $size })
hub-access = Token de acceso y servidor
hub-token = Token de acceso para repositorios restringidos
hub-token-text = Se queda en este dispositivo y solo se envía a { $host }.
hub-token-invalid = Un token no tiene espacios y solo contiene caracteres ASCII.
hub-server = Otro servidor
hub-server-text = Un espejo con la misma API. Déjalo vacío para Hugging Face.
about-speech = Convierte la voz en texto.
about-bundled = Incluido en este sitio; funciona sin conexión. Ideal para una primera prueba.
about-tiny = Funciona en casi cualquier equipo. Para textos cortos y preguntas sencillas.
about-small = Para preguntas cotidianas en un móvil o un portátil antiguo.
about-medium = Buenas respuestas en un portátil.
about-large = Las mejores respuestas, para equipos con tarjeta gráfica.
about-reasoning = Piensa antes de responder. Bueno en matemáticas y lógica.
about-code = Escribe y explica código.
about-tools = Usa herramientas y sigue las instrucciones al pie de la letra.
about-open = Totalmente abierto: sus datos de entrenamiento y su código también son públicos.

## Storage

storage = Almacenamiento
storage-persistent = El navegador conserva estos archivos hasta que los elimines.
storage-evictable = El navegador puede eliminar estos archivos si queda poco espacio en disco.
persist = Conservar archivos
import-model = Importar un modelo
import-model-text = Copia un archivo GGUF de tu disco al almacenamiento de este navegador.
storage-used = { $used } usados de los { $quota } disponibles para este sitio.
projector = permite que un modelo vea imágenes
images-stored = { $count ->
    [one] { $count } imagen en los chats: { $size }.
   *[other] { $count } imágenes en los chats: { $size }.
}
no-downloaded-models = Aún no hay modelos descargados. Elige uno de la lista de modelos; se guardará aquí.
download-incomplete = { $done } de { $total } descargados
used-ago = usado hace { $time }
never-used = nunca usado
file-intact = El archivo está intacto.
file-damaged = El archivo está dañado. Elimínalo y vuelve a descargarlo.
verifying = Verificando…
checksum-verified = suma de verificación comprobada
verify = Verificar
delete-permanently = Eliminar definitivamente
cancel = Cancelar

## Settings

settings = Ajustes
search-settings = Buscar en los ajustes
no-settings-found = Sin resultados. Prueba con una sola palabra, por ejemplo, «{ theme }» o «{ temperature }».
pages = Páginas
chat = Chat
interface = Interfaz
language = Idioma
language-default = El del navegador
theme = Tema
theme-system = Sistema
theme-light = Claro
theme-dark = Oscuro
compact = Diseño compacto
enter-sends = Enviar con Intro (Mayús+Intro para una línea nueva). Si está desactivado, se envía con Ctrl+Intro.
sampling = Muestreo
preset-precise = Preciso
preset-balanced = Equilibrado
preset-creative = Creativo
own-sampling = Este chat tiene sus propios ajustes de muestreo
temperature = Temperatura
temperature-help = Cuán aleatorio es el resultado. 0 elige siempre el token más probable.
top-p = Top P
top-p-help = Considera solo los tokens más probables cuyas probabilidades suman este valor. 1 lo desactiva.
top-k = Top K
top-k-help = Considera solo esta cantidad de los tokens más probables. 0 lo desactiva.
min-p = Min P
min-p-help = Descarta los tokens menos probables que esta fracción de la probabilidad del más probable. 0 lo desactiva.
repetition-penalty = Penalización por repetición
repetition-penalty-help = Hace menos probables los tokens que ya han aparecido. 1 la desactiva; los modelos pequeños necesitan un poco.
max-tokens = Máx. de tokens
max-tokens-help = Longitud máxima de la respuesta. Un token es una palabra o parte de ella. Déjalo vacío para usar todo el contexto restante.
seed = Semilla
seed-help = La misma semilla da la misma respuesta al mismo prompt. Déjala vacía para usar una aleatoria.
system-prompt = Prompt del sistema
system-prompt-text = Se envía al modelo al inicio de cada chat.
system-prompt-example = Eres un asistente útil. Sé conciso.
reasoning = Razonamiento: los modelos que lo admiten piensan antes de responder
tool-use = Herramientas: los modelos pueden usar una calculadora y un reloj. Las llamadas se muestran con la respuesta.
speculative-decoding = Decodificación especulativa (prompt lookup): el texto que repite el chat se genera más rápido
context-overflow = Desbordamiento del contexto: cuando un chat supera el contexto, omitir los mensajes más antiguos. Una línea muestra dónde.
embedding-model = Modelo de embeddings para archivos largos
embedding-model-text = En los archivos que no caben en el contexto se buscan los fragmentos relevantes para tu mensaje: por significado con un modelo de embeddings, por palabras clave sin él.
ranker = Reordenador para proyectos
ranker-text = Lee los 20 mejores pasajes de los archivos de un proyecto junto con tu mensaje y elige hasta 8. Sin él se envían tal como se encontraron.
personas = Personajes
personas-text = Prompts del sistema entre los que alternar; se ofrecen debajo del prompt del sistema.
prompts = Prompts
prompts-text = Textos que usas a menudo. Escribe / y el comienzo de un nombre para insertar uno. Los marcadores entre llaves dobles se seleccionan para que los rellenes.
name = Nombre
text = Texto
add = Añadir
data = Tus datos
data-text = Los chats se guardan en este navegador y en ningún otro sitio.
library-newer = Se abrió una versión más reciente de Parlance en otra pestaña. Recarga esta página para actualizarla.
library-full = El almacenamiento de este dispositivo está lleno, así que los mensajes nuevos no se guardan. Elimina un modelo o chats que ya no necesites.
export-all-json = Exportar todo como JSON
export-all-markdown = Exportar todo como Markdown
import-conversations = Importar chats
import-conversations-text = Archivos JSON exportados de Parlance, ChatGPT u Open WebUI.
imported = { $added ->
    [one] { $added } chat importado
   *[other] { $added } chats importados
}, { $known } ya existentes.
delete-all = Eliminar todos los chats
delete-all-text = Esto elimina todos los chats con sus archivos adjuntos, borradores y cachés KV guardadas. Los modelos y los ajustes se conservan.

## Performance

performance = Rendimiento
generation-speed = Tokens por segundo en cada respuesta
no-responses = Las respuestas de esta visita aparecerán aquí.
no-model-loaded = No hay ningún modelo cargado. Carga uno para ver su velocidad y su uso de memoria.
last-response = Última respuesta: { $rate } tok/s, procesamiento del prompt { $prefill } tok/s, tiempo hasta el primer token { $seconds } s
adapter = GPU
features = Funciones opcionales en uso
weights = Pesos
kv-cache = Caché KV
peak-ram = Uso máximo de RAM
benchmark = Prueba de rendimiento
benchmark-text = Genera tres respuestas de 64 tokens cada una y muestra las medianas.
run-benchmark = Ejecutar prueba
benchmark-result = { $rate } tok/s, procesamiento del prompt { $prefill } tok/s, tiempo hasta el primer token { $seconds } s
copy-result = Copiar resultado

## Playground

playground = Playground
playground-text = Salida estructurada: la respuesta siempre se ajusta al esquema JSON.
playground-prompt = Describe la capital de Francia.
prompt = Prompt
json-schema = Esquema JSON
generate = Generar
response = Respuesta
chat-system-prompt = Prompt del sistema para este chat
chat-system-prompt-text = Se envía al modelo al inicio de este chat. Déjalo vacío para usar el de los ajustes.
save = Guardar

## Shortcuts

shortcuts = Atajos de teclado
palette = Comandos
palette-hint = Buscar comandos, páginas y chats
no-commands-found = Sin resultados. Prueba con el nombre de una página o con palabras del título de un chat.
shortcut-help = Mostrar esta lista
shortcut-search = Buscar chats
shortcut-sidebar = Mostrar u ocultar la barra lateral
shortcut-stop = Detener la generación
shortcut-prompts = Insertar un prompt
shortcut-newline = Línea nueva

## General

close = Cerrar
page-crashed = Parlance sufrió un error interno y se detuvo. Tus chats están guardados; recarga la página para continuar.
model-recovered = Algo salió mal ({ $message }). El modelo se volvió a cargar y continúa.
engine-restarted = El motor falló ({ $message }) y se reinició. No se perdió nada.
reload = Recargar
new-version = Hay una nueva versión de Parlance disponible.
not-found-title = Página no encontrada
not-found-text = Comprueba que la dirección esté bien escrita.
go-to-chat = Ir al chat
help-network = Comprueba la URL y tu conexión y vuelve a intentarlo. Los demás sitios deben permitir que este lea sus archivos (CORS).
help-not-allowed = Parlance solo se conecta a su propio sitio y a los servidores que hayas permitido.
allow-host = Permitir { $host } y recargar
allowed-elsewhere = Este servidor ya está permitido, pero otra pestaña de Parlance se abrió antes. Ciérrala o recárgala.
allowed-hosts = Servidores permitidos
allowed-hosts-text = Además del suyo, este sitio puede obtener modelos de estos servidores. Los chats nunca se les envían.
help-other-model = Elige otro modelo o el de demostración.
help-storage = Gestionar el almacenamiento
help-new-chat = Empieza un chat nuevo o activa el desbordamiento del contexto en los ajustes.
webgpu-intro = Parlance ejecuta los modelos en tu GPU mediante WebGPU, compatible con estos navegadores:
webgpu-hint = Si usas uno de ellos, comprueba que la aceleración por hardware esté activada en su configuración y que la página se haya abierto por https o desde localhost.
webgpu-chrome = En Linux, actualiza a la versión 144 o posterior; si WebGPU sigue desactivado, actívalo en chrome://flags/#enable-unsafe-webgpu.
webgpu-safari = Actualiza el sistema operativo; Safari se actualiza con él.
webgpu-firefox = En otros sistemas, pon dom.webgpu.enabled en true en about:config o usa Chrome.

## Failures

failure-no-webgpu = Este navegador no es compatible con WebGPU.
failure-no-gpu = WebGPU no encontró ninguna GPU utilizable ({ $detail }).
failure-http-status = No se pudo descargar el modelo: el servidor respondió { $status } para { $url }.
failure-network = No se pudo descargar el modelo: { $detail }.
failure-bad-answer = No se pudo descargar el modelo: la respuesta del servidor no es válida ({ $detail }).
failure-not-allowed = Esta página no puede conectarse a { $host }: aún no lo has permitido.
failure-changed = No se pudo descargar el modelo: el archivo cambió durante la descarga. Inténtalo de nuevo.
failure-damaged = El modelo de este dispositivo estaba dañado y se ha eliminado. Cárgalo de nuevo.
failure-wrong-checksum = Se rechazó «{ $name }»: su suma de verificación no coincide con la que indica su URL o su servidor. No se guardó nada.
failure-unusable-copy = El archivo de este dispositivo tiene la suma de verificación correcta, pero no se puede cargar como modelo: { $detail }. Descargarlo de nuevo no serviría.
failure-bad-pin = La parte de la URL del modelo que sigue a «#» no es una suma de verificación válida: debe ser «sha256=» y 64 dígitos hexadecimales por cada archivo del modelo (número de archivos: { $files }), separados por comas.
failure-not-gguf = Esto no es un archivo de modelo GGUF: empieza por { $detail } en lugar de «GGUF».
failure-gguf-version = La versión { $version } de GGUF no es compatible; solo lo son la 2 y la 3.
failure-cut-short = El archivo del modelo está incompleto: tiene { $length } de al menos { $needed }. Descárgalo de nuevo.
failure-malformed = El archivo del modelo está dañado: { $detail }.
failure-missing-entry = Al archivo del modelo le falta el metadato «{ $name }» o es de un tipo incorrecto.
failure-missing-tensor = Al archivo del modelo le falta el tensor «{ $name }».
failure-architecture = Los modelos con la arquitectura «{ $name }» aún no son compatibles.
failure-format = El tensor «{ $tensor }» está guardado como { $format }, que aún no es compatible.
failure-tokenizer = No se puede usar el tokenizador del modelo: { $detail }.
failure-template = Falló la plantilla de chat del modelo: { $detail }.
failure-gpu = La GPU informó de un error: { $detail }.
failure-wrong-results = La GPU da resultados erróneos en este navegador, por culpa del navegador o de su controlador gráfico. El modelo puede ejecutarse en la CPU.
failure-too-large = El modelo no cabe en este dispositivo: { $detail }.
failure-out-of-memory = Este dispositivo no tiene memoria suficiente para este modelo, ni siquiera con un contexto pequeño; prueba con un modelo más pequeño ({ $detail }).
failure-context-too-large = Un contexto de { $tokens } tokens no cabe en este dispositivo; uno de { $room } sí.
failure-context-full = Longitud del contexto superada: este chat tiene { $tokens } tokens, pero la longitud del contexto es de { $room }.
failure-question-too-long = Longitud del contexto superada: con el prompt del sistema, los archivos adjuntos y lo ya respondido, el último mensaje por sí solo tiene { $tokens } tokens, pero la longitud del contexto es de { $room }. Acórtalo, adjunta menos o elige un contexto mayor.
failure-cannot-chat = Este es un modelo de embeddings y no puede chatear.
failure-cannot-see = { $model } no puede ver imágenes.
failure-hears-nothing = { $model } no puede escuchar grabaciones.
failure-wrong-projector = «{ $name }» no permite que este modelo vea imágenes: { $detail }.
failure-wrong-draft = Este modelo no puede esbozar respuestas para el otro: { $detail }.
failure-cannot-hear = El modelo cargado no puede oír; se necesita un modelo de reconocimiento de voz.
failure-recording = No se puede transcribir la grabación: { $detail }.
failure-only-chats = El modelo cargado es un modelo de chat; se necesita un modelo de embeddings.
failure-no-model = No hay ningún modelo cargado. Carga uno primero.
failure-queue-full = Hay demasiadas solicitudes en espera. Inténtalo de nuevo más tarde.
failure-no-storage = Este navegador no ofrece almacenamiento de archivos.
failure-not-kept = Este modelo ya no está en este dispositivo.
failure-storage-full = El almacenamiento de este dispositivo está lleno. Elimina un modelo que ya no necesites.
failure-storage-full-by = El almacenamiento de este dispositivo está lleno: se necesitan { $needed } y quedan { $free }. Elimina un modelo que ya no necesites.
failure-storage = No se puede usar el almacenamiento de este dispositivo: { $detail }.
failure-field = El campo «{ $name }» de la solicitud no es válido: { $detail }.
failure-grammar = No se puede imponer el formato de la respuesta: { $detail }.
failure-bad-address = La URL del modelo no es válida.
failure-several-models = Elige un archivo GGUF o todas las partes de un modelo dividido.
failure-interrupted = Detenido.
failure-engine-stopped = El motor falló: { $detail }. Tu chat sigue aquí; inténtalo de nuevo.
warning-no-template = El archivo del modelo no tiene plantilla de chat; se usa ChatML en su lugar.
warning-unusable-template = No se puede usar la plantilla de chat del modelo ({ $detail }); se usa ChatML en su lugar.
warning-distrusted-template = La plantilla de chat del modelo hizo fallar el motor en un intento anterior; se usa ChatML en su lugar.
warning-not-stored = El modelo no se guardó en este dispositivo y habrá que descargarlo de nuevo. { $reason }
warning-smaller-context = No hay memoria suficiente para un contexto de { $tokens } tokens; tiene { $room }. Un modelo más pequeño dejaría más.

## Quantities

millions = { $number } millones
billions = { $number } mil millones
under-a-second = menos de un segundo
days = { $count } días
