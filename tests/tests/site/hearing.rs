//! Speech in the browser: the same text as from the native engine, through the module, over HTTP, from a microphone and
//! from files. The model is tiny and understands nothing, but always the same; in conversations, a mock engine hears.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::path::PathBuf;
use std::time::Duration;

use parlance_tests::chat::{LAST_ANSWER, LAST_TEXT, PAGE_TIMEOUT, ask};
use parlance_tests::failures::record_failure;
use parlance_tests::hearing::{ggml_whisper, heard, recording, voice, wav};
use parlance_tests::scripted::use_scripted_engine_everywhere;
use parlance_tests::{ModelHost, Page, Server, Session};
use serde_json::{Value, json};

/// Runs the body of an async function, and returns its value.
fn run(page: &Page, body: &str) -> Value {
    page.evaluate(&format!("(async () => {{ {body} }})()")).unwrap()
}

fn wait(page: &Page, condition: &str) {
    page.wait_for(condition, Duration::from_secs(60)).unwrap();
}

/// A file for this run of the tests.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("parlance-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// What the engine hears: texts, and where they begin.
fn expected(samples: &[i16]) -> (Vec<String>, Vec<f64>) {
    let segments = heard(&ggml_whisper().unwrap(), samples).unwrap();
    assert!(!segments.is_empty());
    segments.into_iter().map(|segment| (segment.text, segment.start)).unzip()
}

/// Script: what is wrong with a recording, or nothing.
const REFUSAL: &str = "async (bytes) => {
    const file = new File([bytes], 'a.wav');
    return await engine.audio.transcriptions.create({ file }).then(() => null, ({ status, param, message }) => [status, param, message]);
}";

#[test]
fn recordings_are_heard_as_by_the_native_engine() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    // Errors are HTTP responses, which the browser logs.
    session.expect_in_console("/v1/");
    let samples = recording(2.0);
    let (texts, starts) = expected(&samples);
    let text = texts.concat().trim().to_owned();
    let host = ModelHost::start(ggml_whisper().unwrap()).unwrap();
    // Like those of the catalogue.
    let model = format!("{}#sha256={}", host.url("ggml-tiny.bin"), host.pins());
    let page = session.open(&server.page("")).unwrap();
    page.evaluate(&format!("localStorage.setItem('parlance.sources', JSON.stringify([new URL({model:?}).origin]))"))
        .unwrap();
    page.wait_for("navigator.serviceWorker.controller", PAGE_TIMEOUT).unwrap();
    page.navigate(&server.page("examples.html")).unwrap();
    page.wait_for("navigator.serviceWorker.controller", PAGE_TIMEOUT).unwrap();
    let bytes = json!(wav(&samples));
    let made = run(
        &page,
        &format!(
            "const {{ Parlance }} = await import(new URL('parlance.js', document.baseURI).href);
            window.phases = new Set();
            const onProgress = ({{ phase }}) => phases.add(phase);
            window.engine = await Parlance.create({{ allowedHosts: [new URL({model:?}).origin], onProgress }});
            await engine.configure({{ device: 'cpu' }});
            window.bytes = new Uint8Array({bytes});
            const described = await engine.inspect({model:?});
            const info = await engine.load({model:?});
            const file = new File([bytes], 'a.wav');
            const {{ create }} = engine.audio.transcriptions;
            const verbose = await create({{ file, response_format: 'verbose_json' }});
            const samples = await create({{ file: new Int16Array(bytes.buffer, 44), response_format: 'text' }});
            let streamed = '';
            for await (const event of await create({{ file, stream: true }})) streamed += event.delta ?? '';
            const form = new FormData();
            form.append('file', file);
            form.append('response_format', 'srt');
            const own = await fetch('v1/audio/transcriptions', {{ method: 'POST', body: form }});
            const srt = await own.text();
            const again = await (await engine.fetch('https://any/v1/audio/transcriptions', {{ method: 'POST', body: form }})).text();
            const translated = await engine.audio.translations.create({{ file, response_format: 'verbose_json' }});
            const stop = new AbortController();
            const long = create({{ file: new Int16Array(16000 * 600).fill(999) }}, {{ signal: stop.signal }});
            setTimeout(() => stop.abort(), 300);
            const stopped = await long.then(() => 'done', ({{ name }}) => name);
            const {{ data }} = await engine.models.list();
            return {{
                described: [described.can_chat, described.architecture], name: info.name, capabilities: data[0].capabilities,
                texts: verbose.segments.map(({{ text }}) => text), starts: verbose.segments.map(({{ start }}) => start),
                duration: verbose.duration, samples, streamed, srt, again, status: own.status, task: translated.task, stopped,
                phases: [...phases],
            }};"
        ),
    );
    assert_eq!(made["texts"], json!(texts), "{made}");
    let made_starts: Vec<f64> = serde_json::from_value(made["starts"].clone()).unwrap();
    assert_eq!((made_starts, made["duration"].as_f64()), (starts, Some(2.0)));
    assert_eq!((&made["described"], &made["name"]), (&json!([false, "whisper"]), &json!("ggml-tiny")));
    assert_eq!(made["capabilities"], json!(["transcription"]));
    assert_eq!(made["samples"].as_str().map(str::trim), Some(text.as_str()));
    assert_eq!(made["streamed"].as_str().map(str::trim), Some(text.as_str()));
    assert!(made["srt"].as_str().unwrap().starts_with("1\n00:00:00,"), "{made}");
    assert_eq!((&made["srt"], &made["status"]), (&made["again"], &json!(200)));
    assert_eq!((&made["task"], &made["stopped"]), (&json!("translate"), &json!("AbortError")));
    for phase in ["download", "decode", "listen"] {
        assert!(made["phases"].as_array().unwrap().contains(&json!(phase)), "{phase}: {made}");
    }
    let changed = |script: &str| {
        let bytes = format!("const changed = bytes.slice(); const view = new DataView(changed.buffer); {script}");
        run(&page, &format!("{bytes} return await ({REFUSAL})(changed);"))
    };
    for (script, sentence) in [
        ("view.setUint32(40, 10 * 3600 * 32000, true);", "longer than 6 hours"),
        ("view.setUint16(22, 9, true);", "9 channels"),
        ("view.setUint32(24, 384000, true);", "384000 samples per second"),
        ("view.setUint32(40, 5e6, true);", "cut off"),
        ("changed.fill(7);", "not a recording"),
    ] {
        let refusal = changed(script);
        assert_eq!((&refusal[0], &refusal[1]), (&json!(400), &json!("file")), "{script}: {refusal}");
        assert!(refusal[2].as_str().unwrap().contains(sentence), "{sentence}: {refusal}");
    }
    // Eight channels and 192,000 samples per second are read.
    assert_eq!(changed("view.setUint16(22, 8, true); view.setUint16(32, 16, true);"), Value::Null);
    assert_eq!(changed("view.setUint32(24, 192000, true);"), Value::Null);
}

#[test]
fn long_recordings_take_no_memory_of_the_engine() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let model = server.offer(&file("memory-tiny.bin", &ggml_whisper().unwrap()));
    let page = session.open(&server.blank_page()).unwrap();
    let (site, bytes) = (server.page(""), json!(wav(&recording(2.0))));
    let measured = run(
        &page,
        &format!(
            "const {{ Parlance }} = await import({site:?} + 'parlance.js');
            const engine = await Parlance.create();
            await engine.configure({{ device: 'cpu' }});
            const memory = async () => {{
                await engine.unload();
                return (await engine.load({model:?})).peak_memory_bytes;
            }};
            const bytes = new Uint8Array({bytes});
            const hear = async (seconds) => {{
                const header = bytes.slice(0, 44);
                new DataView(header.buffer).setUint32(40, seconds * 32000, true);
                const file = new File([header, ...Array(seconds / 2).fill(bytes.subarray(44))], 'long.wav');
                // At one temperature, because everything that this model says is implausible.
                return engine.audio.transcriptions.create({{ file, temperature: 0.2, response_format: 'verbose_json' }});
            }};
            await memory();
            const short = await hear(60);
            const before = await memory();
            const long = await hear(600);
            return [short.duration, long.duration, long.segments.length, (await memory()) - before];"
        ),
    );
    let [short_s, long_s, segments, grown_bytes]: [f64; 4] = serde_json::from_value(measured).unwrap();
    assert_eq!((short_s as u32, long_s as u32), (60, 600));
    assert!(segments > 100.0, "{segments}");
    // The samples alone have 19 MB.
    assert!(grown_bytes < 8e6, "{grown_bytes}");
}

/// Opens the app with the tiny model on this device.
fn open_with_model(session: &Session, server: &Server) -> Page {
    let page = session.open(&server.page("storage")).unwrap();
    wait(&page, "document.querySelector('#import-file')");
    // What is sent to the engine's worker.
    page.before_every_page(
        "window.sounds = [];
        const post = Worker.prototype.postMessage;
        Worker.prototype.postMessage = function (message, ...rest) {
            if (message?.sound instanceof Int16Array) sounds.push([...message.sound]);
            return post.call(this, message, ...rest);
        };",
    )
    .unwrap();
    let model = file("ggml-tiny.bin", &ggml_whisper().unwrap());
    page.choose_file("#import-file", &model).unwrap();
    wait(&page, "document.body.innerText.includes('ggml-tiny')");
    page.navigate(&server.page("?device=cpu")).unwrap();
    wait(&page, "document.querySelector('[data-testid=dictate]')");
    // The list of models has to be here first.
    std::thread::sleep(Duration::from_millis(500));
    page
}

#[test]
fn what_is_said_is_written_into_the_message() {
    let server = Server::start().unwrap();
    let mut said = voice(3.0);
    said.resize(said.len() + 16_000 * 4, 0);
    let session = Session::with_microphone(&file("said.wav", &wav(&said))).unwrap();
    let page = open_with_model(&session, &server);
    page.fill("#message", "Before.").unwrap();
    page.click("[data-testid=dictate]").unwrap();
    wait(&page, "document.querySelector('[data-testid=dictation] meter')?.value > 0.2");
    wait(&page, "document.querySelector('[data-testid=dictate]').ariaPressed === 'true'");
    // Silence ends it.
    wait(&page, "!document.querySelector('[data-testid=dictation]')");
    let heard_samples = page.evaluate("sounds.at(-1)").unwrap();
    let samples: Vec<i16> = serde_json::from_value(heard_samples).unwrap();
    assert!(samples.len() > 3 * 16_000, "{}", samples.len());
    let (texts, _) = expected(&samples);
    let draft = page.evaluate("document.querySelector('#message').value").unwrap();
    assert_eq!(draft.as_str().unwrap(), format!("Before. {}", texts.concat().trim()));
    // No more than what was needed for the text on screen was heard before.
    assert!(page.evaluate("sounds.length").unwrap().as_u64().unwrap() >= 2, "there was text while somebody spoke");
}

#[test]
fn without_a_microphone_there_is_a_sentence() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open_with_model(&session, &server);
    for (name, sentence) in [
        ("NotAllowedError", "The microphone is not allowed."),
        ("NotFoundError", "No microphone was found."),
        ("NotReadableError", "The microphone cannot be used."),
    ] {
        page.evaluate(&format!(
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', {name:?}))"
        ))
        .unwrap();
        page.fill("#message", "kept").unwrap();
        page.click("[data-testid=dictate]").unwrap();
        wait(&page, &format!("document.querySelector('.toast')?.innerText.includes({sentence:?})"));
        assert_eq!(page.evaluate("document.querySelector('#message').value").unwrap(), "kept");
    }
    record_failure(
        "Input",
        "the microphone is not allowed, missing, or used by another program",
        "a sentence says so; the message stays",
    );
}

/// Script: notes what is read aloud in place of the browser's voice, which goes on until it is interrupted.
const VOICE: &str = "(() => {
    window.voice = { read: [], isReading: false, interruptions: 0 };
    Object.defineProperty(speechSynthesis, 'speaking', { get: () => voice.isReading });
    speechSynthesis.speak = ({ text }) => { voice.read.push(text); voice.isReading = true; };
    speechSynthesis.cancel = () => { voice.isReading = false; voice.interruptions += 1; };
})()";

/// Opens the app with a mock engine that hears `said` in every recording.
fn open_scripted(session: &Session, server: &Server, said: &str) -> Page {
    let model = json!({
        "name": "ggml-tiny.bin", "url": "https://models.test/ggml-tiny.bin", "len_bytes": 1, "done_bytes": 1, "used_seconds": 0,
        "is_verified": true, "abilities": { "capabilities": ["transcription"], "context_tokens": 448 },
    });
    let page = session.open("about:blank").unwrap();
    use_scripted_engine_everywhere(&page).unwrap();
    page.before_every_page(VOICE).unwrap();
    page.before_every_page(&format!("window.storedModels = [{model}]; window.said = {said:?};")).unwrap();
    page.navigate(&server.page("")).unwrap();
    wait(&page, "document.querySelector('[data-testid=talk]')");
    page
}

/// Script: whether the user talks with the model.
const IS_TALKING: &str = "document.querySelector('[data-testid=talk]').ariaPressed === 'true'";

#[test]
fn a_conversation_takes_no_hands() {
    let server = Server::start().unwrap();
    let mut said = vec![0; 16_000];
    said.extend(voice(2.0));
    said.resize(said.len() + 16_000 * 3, 0);
    let session = Session::with_microphone_in_a_loop(&file("talk.wav", &wav(&said))).unwrap();
    let page = open_scripted(&session, &server, "Who is there?");
    page.click("[data-testid=talk]").unwrap();
    // What is heard is sent, and the answer read aloud.
    wait(&page, "voice.read.length === 1");
    assert_eq!(page.evaluate("voice.read[0]").unwrap(), "Answer 1: Who is there?");
    assert_eq!(page.evaluate("[voice.interruptions, voice.isReading]").unwrap(), json!([0, true]));
    // Whoever speaks meanwhile interrupts it, and is answered, too.
    page.evaluate("window.said = 'And who else?'").unwrap();
    wait(&page, "voice.interruptions === 1");
    wait(&page, "voice.read.length === 2");
    assert!(page.evaluate("voice.read[1]").unwrap().as_str().unwrap().ends_with(": And who else?"));
    assert_eq!(page.evaluate(IS_TALKING).unwrap(), true);
    // It ends when the user wants it to, even during an answer, of which nothing is read aloud then.
    page.evaluate("window.said = 'Count slowly.'").unwrap();
    wait(&page, &format!("{LAST_TEXT}.startsWith('word')"));
    page.click("[data-testid=talk]").unwrap();
    wait(&page, &format!("!({IS_TALKING}) && !document.querySelector('[data-testid=dictation]')"));
    page.click("[data-testid=stop]").unwrap();
    wait(&page, &format!("{LAST_ANSWER}?.dataset.active === 'false'"));
    assert_eq!(page.evaluate("[voice.read.length, voice.isReading]").unwrap(), json!([2, false]));
    let questions =
        page.evaluate("[...document.querySelectorAll('[data-role=user]')].map(({ innerText }) => innerText)");
    let questions: Vec<String> = serde_json::from_value(questions.unwrap()).unwrap();
    for (question, expected) in questions.iter().zip(["Who is there?", "And who else?", "Count slowly."]) {
        assert!(question.contains(expected), "{questions:?}");
    }
    assert_eq!(questions.len(), 3, "{questions:?}");
}

#[test]
fn a_conversation_that_begins_during_an_answer_waits_for_its_end() {
    let server = Server::start().unwrap();
    let mut said = vec![0; 16_000];
    said.extend(voice(2.0));
    said.resize(said.len() + 16_000 * 3, 0);
    let session = Session::with_microphone_in_a_loop(&file("meanwhile.wav", &wav(&said))).unwrap();
    let page = open_scripted(&session, &server, "Who is there?");
    let question_count = "document.querySelectorAll('[data-role=user]').length";
    ask(&page, "Count slowly.").unwrap();
    wait(&page, &format!("{LAST_TEXT}.startsWith('word')"));
    page.click("[data-testid=talk]").unwrap();
    wait(
        &page,
        "document.querySelector('#message').value === 'Who is there?' && !document.querySelector('[data-testid=dictation]')",
    );
    assert_eq!(page.evaluate(question_count).unwrap(), 1);
    page.click("[data-testid=stop]").unwrap();
    wait(&page, "voice.read.length === 1");
    assert_eq!(page.evaluate("voice.read[0]").unwrap(), "Answer 1: Who is there?");
    assert_eq!(page.evaluate(question_count).unwrap(), 2);
}

#[test]
fn what_was_said_stays_when_the_microphone_is_unplugged() {
    let server = Server::start().unwrap();
    let session = Session::with_microphone_in_a_loop(&file("unplugged.wav", &wav(&voice(6.0)))).unwrap();
    let page = open_scripted(&session, &server, "half a sentence");
    page.evaluate(
        "(() => {
            const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = async (wanted) => (window.stream = await open(wanted));
        })()",
    )
    .unwrap();
    page.fill("#message", "Before.").unwrap();
    page.click("[data-testid=dictate]").unwrap();
    wait(&page, "document.querySelector('#message').value === 'Before. half a sentence'");
    let unplug = "stream.getTracks()[0].dispatchEvent(new Event('ended'))";
    page.evaluate(&format!("(window.said = 'half a sentence more', {unplug})")).unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('The microphone was disconnected.')");
    assert_eq!(page.evaluate("document.querySelector('#message').value").unwrap(), "Before. half a sentence more");
    wait(&page, "!document.querySelector('[data-testid=dictation]') && stream.getTracks()[0].readyState === 'ended'");
    record_failure(
        "Input",
        "the microphone is unplugged while somebody speaks",
        "what was said until then is in the message; a sentence says so",
    );
}

/// Drops a file with these bytes on the page.
fn drop_recording(page: &Page, bytes: &[u8]) {
    let script = format!(
        "(() => {{
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array({})], 'talk.wav', {{ type: 'audio/wav' }}));
            document.querySelector('.app').dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true }}));
        }})()",
        json!(bytes)
    );
    page.evaluate(&script).unwrap();
}

#[test]
fn recordings_that_cannot_be_read_are_refused_with_a_sentence() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open_with_model(&session, &server);
    page.fill("#message", "kept").unwrap();
    let recording = wav(&recording(0.5));
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = recording.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (bytes, sentence) in [
        (with(40, &(10 * 3600 * 32_000u32).to_le_bytes()), "longer than 6 hours"),
        (with(40, &5_000_000u32.to_le_bytes()), "cut off"),
        (with(22, &9u16.to_le_bytes()), "9 channels"),
        (with(24, &384_000u32.to_le_bytes()), "384000 samples per second"),
        (vec![7; 4000], "not a recording"),
    ] {
        drop_recording(&page, &bytes);
        wait(
            &page,
            &format!("document.querySelector('.recording .failure-message')?.innerText.includes({sentence:?})"),
        );
        page.click(".dialog [aria-label=Close]").unwrap();
        wait(&page, "!document.querySelector('.recording')");
    }
    assert_eq!(page.evaluate("document.querySelector('#message').value").unwrap(), "kept");
    // Eight channels and 192,000 samples per second are the most that is read.
    let mut wide = with(22, &8u16.to_le_bytes());
    wide[24..28].copy_from_slice(&192_000u32.to_le_bytes());
    wide[32..34].copy_from_slice(&16u16.to_le_bytes());
    drop_recording(&page, &wide);
    wait(&page, "document.querySelector('[data-testid=transcript-status]')?.innerText.includes('complete')");
    record_failure(
        "Input",
        "a recording is cut off, is none, or claims ten hours, nine channels or 384,000 samples per second",
        "a sentence says why; the message stays",
    );
}

#[test]
fn a_dropped_recording_is_read_beside_its_player() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open_with_model(&session, &server);
    let samples = recording(2.0);
    let (texts, starts) = expected(&samples);
    drop_recording(&page, &wav(&samples));
    wait(&page, "document.querySelector('[data-testid=transcript-status]')?.innerText.includes('complete')");
    let shown = page
        .evaluate(
            "[...document.querySelectorAll('[data-testid=transcript] li span')].map(({ innerText }) => innerText)",
        )
        .unwrap();
    let texts: Vec<String> = texts.iter().map(|text| text.trim().to_owned()).collect();
    assert_eq!(shown.as_array().unwrap().len(), texts.len(), "{shown}");
    // A click on a time plays from there.
    page.click("[data-testid=transcript] li:last-child button").unwrap();
    let start = starts.last().unwrap();
    wait(&page, &format!("document.querySelector('.recording audio').currentTime >= {start}"));
    page.evaluate(
        "URL.createObjectURL = new Proxy(URL.createObjectURL, {
            apply: (make, self, [blob]) => (window.saved = blob, make.call(self, blob)),
        })",
    )
    .unwrap();
    page.click("[data-testid=save-as-vtt]").unwrap();
    let vtt = run(&page, "return await saved.text();");
    assert!(vtt.as_str().unwrap().starts_with("WEBVTT\n\n00:00:00."), "{vtt}");
    page.click("[data-testid=attach-transcript]").unwrap();
    wait(&page, "document.querySelector('.composer .attachment')?.innerText.includes('talk.wav.txt')");
}
