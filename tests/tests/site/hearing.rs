//! Speech in the browser: the same text as from the native engine, through the module, over HTTP, from a microphone and
//! from files. The model is tiny and understands nothing, but always the same.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::path::PathBuf;
use std::time::Duration;

use parlance_tests::chat::PAGE_TIMEOUT;
use parlance_tests::hearing::{ggml_whisper, heard, recording, voice, wav};
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
    let model = host.url("ggml-tiny.bin");
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
}

#[test]
fn a_dropped_recording_is_read_beside_its_player() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open_with_model(&session, &server);
    let samples = recording(2.0);
    let (texts, starts) = expected(&samples);
    let drop = |bytes: &Value| {
        let script = format!(
            "(() => {{
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array({bytes})], 'talk.wav', {{ type: 'audio/wav' }}));
                document.querySelector('.app').dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true }}));
            }})()"
        );
        page.evaluate(&script).unwrap();
    };
    drop(&json!(wav(&samples)));
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
    // One that cannot be used says why.
    drop(&json!([82, 73, 70, 70]));
    wait(&page, "document.querySelector('.recording .failure-message')?.innerText.includes('not a recording')");
}
