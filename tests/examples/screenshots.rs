//! Screenshots of every page and state, in both themes, at desktop and phone width.

use std::path::PathBuf;
use std::time::Duration;

use parlance_tests::chat::{LAST_TEXT, PAGE_TIMEOUT, answer, ask, load_from_link, new_chat};
use parlance_tests::hearing;
use parlance_tests::scripted::{use_scripted_engine, use_scripted_engine_everywhere};
use parlance_tests::{Error, Page, Server, Session, root};

const SIZES: [(&str, u32, u32); 2] = [("desktop", 1280, 800), ("phone", 390, 844)];
/// Pages other than the chat, each with a script that is true once it is rendered.
const PAGES: [(&str, &str); 6] = [
    ("projects", "document.querySelector('#project-name')"),
    ("catalogue", "document.querySelector('.model-card')"),
    ("settings", "document.querySelector('#temperature')"),
    ("storage", "document.querySelector('[data-testid=storage]')"),
    ("performance", "document.querySelector('h1')"),
    ("playground", "document.querySelector('#schema')"),
];
/// The question, which the mock engine repeats.
const MARKDOWN: &str = "\n# Why the sky is blue\n\nSunlight is *scattered* by molecules that are **smaller** than its wavelength:\n\n$$ I \\propto \\frac{1}{\\lambda^4} $$\n\n| colour | wavelength |\n| :- | -: |\n| blue | 450 nm |\n| red | 700 nm |\n\n```rust\n/// How much more blue is scattered than red.\nfn ratio(blue_nm: f64, red_nm: f64) -> f64 {\n    (red_nm / blue_nm).powi(4)\n}\n```\n\n> [!NOTE]\n> At sunset the way through the air is longer[^1].\n\n[^1]: So that little blue is left.\n";
/// Waits for two frames, so that the new layout and theme are on screen, and then for animations to end.
const SETTLED: &str = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => \
    Promise.allSettled(document.getAnimations().filter(animation => \
    animation.effect.getComputedTiming().endTime !== Infinity).map(animation => animation.finished))).then(() => 1)";
/// Attaches two pictures: a sunset, and a tall one of the moon.
const PICTURES: &str = "(async () => {
    const draw = async (name, [width, height], [top, bottom], [x, y, radius, colour]) => {
        const canvas = new OffscreenCanvas(width, height);
        const context = canvas.getContext('2d');
        const sky = context.createLinearGradient(0, 0, 0, height);
        sky.addColorStop(0, top);
        sky.addColorStop(1, bottom);
        context.fillStyle = sky;
        context.fillRect(0, 0, width, height);
        context.fillStyle = colour;
        context.beginPath();
        context.arc(x, y, radius, 0, 7);
        context.fill();
        return new File([await canvas.convertToBlob()], name);
    };
    const data = new DataTransfer();
    data.items.add(await draw('sunset.png', [960, 640], ['#2b4a8b', '#f4a259'], [640, 420, 90, '#ffe8a3']));
    data.items.add(await draw('moon.png', [480, 800], ['#0b1026', '#27345f'], [300, 200, 60, '#f2f0e6']));
    document.querySelector('.app').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true }));
})()";
const ANSWERED: &str = "document.querySelector('.statistics')";

fn main() -> Result<(), Error> {
    let folder = root().join("target/screenshots");
    std::fs::create_dir_all(&folder)?;
    let server = Server::start()?;
    let session = Session::with_animations()?;
    let page = session.open(&server.page("?temperature=0&max_tokens=60"))?;
    let camera = Camera { page: &page, folder: &folder };
    camera.take("welcome")?;
    page.click(".model-button")?;
    camera.take("model-dialog")?;
    page.type_into("#model-url", &server.split_model())?;
    page.press("Enter")?;
    page.wait_for("document.querySelector('#context-tokens')", Duration::from_secs(60))?;
    camera.take("model-choice")?;
    page.evaluate("document.querySelector('#model-url').value = ''")?;
    page.type_into("#model-url", &server.faulty("quantisation.gguf"))?;
    page.press("Enter")?;
    page.wait_for("document.querySelector('[data-testid=inspection] .failure')", Duration::from_secs(60))?;
    camera.take("model-refused")?;
    page.click(".dialog .icon-button")?;
    // In a separate browser, because background tabs do not render.
    let slow_session = Session::with_animations()?;
    let slow = slow_session.open(&server.page(&format!("?model={}", server.slow_model())))?;
    load_from_link(&slow)?;
    slow.wait_for("document.querySelector('.progress-detail')?.innerText.includes('left')", Duration::from_secs(60))?;
    Camera { page: &slow, folder: &folder }.take("loading")?;
    drop(slow_session);
    page.type_into("#message", "Explain why the sky is blue, in two sentences")?;
    page.press("Enter")?;
    page.wait_for(
        "document.querySelector('[data-active=true] .markdown')?.innerText.length > 20",
        Duration::from_secs(180),
    )?;
    camera.take("streaming")?;
    page.wait_for(ANSWERED, Duration::from_secs(180))?;
    page.type_into("#message", "Thanks! And at sunset?")?;
    camera.take("answered")?;
    conversations(&server, &folder)?;
    images(&server, &folder)?;
    project(&server, &folder)?;
    recording(&server, &folder)?;
    around_chats(&server, &folder)?;
    draft_model(&server, &folder)?;
    for (name, there) in PAGES {
        // Like a link, so that the model stays loaded.
        page.follow(&format!("./{name}"))?;
        page.wait_for(there, Duration::from_secs(60))?;
        camera.take(name)?;
    }
    page.evaluate("localStorage.setItem('parlance.settings', JSON.stringify({ language: 'ar' }))")?;
    page.navigate(&server.page(""))?;
    page.wait_for("document.documentElement.dir === 'rtl'", Duration::from_secs(60))?;
    camera.take("arabic")?;

    let session = Session::with_animations()?;
    let page = session.open(&server.page("?model=http://localhost:1/model.gguf"))?;
    page.wait_for("document.querySelector('[data-testid=allow-host]')", Duration::from_secs(60))?;
    Camera { page: &page, folder: &folder }.take("not-allowed")?;
    page.navigate(&server.page(&format!("?model={}", server.faulty("page.html"))))?;
    load_from_link(&page)?;
    page.wait_for("document.querySelector('.failure')", Duration::from_secs(60))?;
    Camera { page: &page, folder: &folder }.take("bad-model")?;
    page.follow("./nowhere")?;
    page.wait_for("document.querySelector('.notice')", Duration::from_secs(10))?;
    Camera { page: &page, folder: &folder }.take("not-found")?;

    let session = Session::start(false)?;
    let page = session.open(&server.page(""))?;
    page.click("[data-testid=model-offer] button")?;
    page.wait_for("document.querySelector('.webgpu-help')", Duration::from_secs(60))?;
    page.click("[data-testid=on-cpu] summary")?;
    Camera { page: &page, folder: &folder }.take("no-webgpu")
}

/// A conversation with all kinds of Markdown and with branches, and the open drawer at phone width.
fn conversations(server: &Server, folder: &PathBuf) -> Result<(), Error> {
    let session = Session::with_animations()?;
    let page = &session.open(&server.page(""))?;
    let camera = Camera { page, folder };
    use_scripted_engine(page)?;
    ask(page, MARKDOWN)?;
    answer(page)?;
    page.evaluate("document.querySelectorAll('[data-role=assistant] [aria-label=Regenerate]')[0].click()")?;
    answer(page)?;
    page.evaluate("document.querySelector('[data-role=assistant]').scrollIntoView()")?;
    camera.take("markdown")?;
    page.click("button[aria-label=Chats]")?;
    camera.take_at("conversations", SIZES[1])
}

/// A conversation with pictures, one of them in full, and pictures for a model that sees none.
fn images(server: &Server, folder: &PathBuf) -> Result<(), Error> {
    for can_see in [true, false] {
        let session = Session::with_animations()?;
        let page = &session.open(&server.page(""))?;
        let camera = Camera { page, folder };
        use_scripted_engine(page)?;
        page.evaluate(&format!("window.canSee = {can_see}"))?;
        page.click("[data-testid=model-offer] button")?;
        page.evaluate(PICTURES)?;
        page.wait_for("document.querySelectorAll('.composer .thumbnail img').length === 2", Duration::from_secs(60))?;
        if !can_see {
            camera.take("images-unseen")?;
            continue;
        }
        camera.take("images-attached")?;
        ask(page, "What is in these pictures?")?;
        answer(page)?;
        camera.take("images")?;
        page.click(".bubble .thumbnail button")?;
        camera.take("image-full")?;
    }
    Ok(())
}

/// A project, and a chat in it whose answer quotes a file.
fn project(server: &Server, folder: &PathBuf) -> Result<(), Error> {
    const FILES: &str = "(() => {
        const field = document.querySelector('.project input[type=file]');
        const data = new DataTransfer();
        data.items.add(new File(['# Voyage of 1936\\n\\nAfter 53 hours the zeppelin landed in Lakehurst.'], 'log.md'));
        data.items.add(new File(['# Crew\\n\\nThe captain had crossed the Atlantic before.'], 'crew.md'));
        field.files = data.files;
        field.dispatchEvent(new Event('change', { bubbles: true }));
    })()";
    let session = Session::with_animations()?;
    let page = &session.open(&server.page(""))?;
    let camera = Camera { page, folder };
    use_scripted_engine(page)?;
    page.click("[data-testid=model-offer] button")?;
    page.follow("projects")?;
    page.fill("#project-name", "Airships")?;
    page.press("Enter")?;
    page.fill(".project textarea", "Answer briefly, and name the year.")?;
    page.evaluate(FILES)?;
    page.wait_for("document.querySelectorAll('.project-files li').length === 2", Duration::from_secs(60))?;
    camera.take("project")?;
    page.click("[data-testid=new-project-chat]")?;
    page.wait_for("document.querySelector('.project-note')", Duration::from_secs(60))?;
    page.evaluate("window.nextAnswer = 'In Lakehurst, in 1936 [1].'")?;
    ask(page, "Where did the zeppelin land?")?;
    answer(page)?;
    page.evaluate("document.querySelector('.sources').open = true")?;
    camera.take("sources")?;
    page.click(".markdown .citation")?;
    page.wait_for("document.querySelector('.dialog[open] mark')", Duration::from_secs(60))?;
    camera.take("source")
}

/// A recording with its transcript, by a model that understands nothing.
fn recording(server: &Server, folder: &PathBuf) -> Result<(), Error> {
    let session = Session::with_animations()?;
    let page = &session.open(&server.page("storage"))?;
    page.wait_for("document.querySelector('#import-file')", Duration::from_secs(60))?;
    let model = std::env::temp_dir().join("ggml-tiny.bin");
    std::fs::write(&model, hearing::ggml_whisper()?)?;
    page.choose_file("#import-file", &model)?;
    page.wait_for("document.body.innerText.includes('ggml-tiny')", Duration::from_secs(60))?;
    page.navigate(&server.page(""))?;
    page.wait_for("document.querySelector('[data-testid=dictate]')", Duration::from_secs(60))?;
    let bytes = serde_json::Value::from(hearing::wav(&hearing::recording(2.0)));
    page.evaluate(&format!(
        "(() => {{
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array({bytes})], 'talk.wav', {{ type: 'audio/wav' }}));
            document.querySelector('.app').dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true }}));
        }})()"
    ))?;
    let complete = "document.querySelector('[data-testid=transcript-status]')?.innerText.includes('complete')";
    page.wait_for(complete, Duration::from_secs(120))?;
    Camera { page, folder }.take("recording")
}

/// Chats to choose from, a temporary chat, statistics, messages that wait, and the command palette.
fn around_chats(server: &Server, folder: &PathBuf) -> Result<(), Error> {
    let session = Session::with_animations()?;
    let page = &session.open(&server.page(""))?;
    let camera = Camera { page, folder };
    use_scripted_engine(page)?;
    let [desktop, phone] = SIZES;
    page.resize(desktop.1, desktop.2)?;
    for question in ["Explain why the sky is blue", "Write a haiku about the sea", "What is the capital of France?"] {
        new_chat(page)?;
        ask(page, question)?;
        answer(page)?;
    }
    page.wait_for("document.querySelectorAll('.conversation').length === 3", PAGE_TIMEOUT)?;
    page.click(".sidebar [aria-label='Select chats']")?;
    page.click(".conversation-item input")?;
    camera.take_at("selection", desktop)?;
    page.resize(phone.1, phone.2)?;
    page.wait_for("document.querySelector('.app').dataset.sidebar === 'closed'", PAGE_TIMEOUT)?;
    page.click("button[aria-label=Chats]")?;
    camera.take_at("selection", phone)?;
    page.click(".sidebar [aria-label='Select chats']")?;
    page.click(".sidebar [aria-label='Temporary chat']")?;
    page.wait_for("document.querySelector('[data-testid=temporary-note]')", PAGE_TIMEOUT)?;
    camera.take("temporary")?;
    ask(page, "Tell me of otters")?;
    answer(page)?;
    page.click("[data-testid=context-gauge] summary")?;
    page.wait_for("document.querySelector('[data-testid=chat-statistics]')", PAGE_TIMEOUT)?;
    camera.take("statistics")?;
    page.click("[data-testid=context-gauge] summary")?;
    ask(page, "Speak slowly")?;
    page.wait_for(&format!("{LAST_TEXT}.includes('word word')"), PAGE_TIMEOUT)?;
    for message in ["And then?", "And at last?"] {
        ask(page, message)?;
    }
    page.wait_for("document.querySelectorAll('.queue li').length === 2", PAGE_TIMEOUT)?;
    camera.take("queued")?;
    page.click("[data-testid=stop]")?;
    page.evaluate("window.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true }))")?;
    page.wait_for("document.querySelector('.dialog[open] .palette li')", PAGE_TIMEOUT)?;
    camera.take("palette")?;
    page.type_into("#palette-field", "no such command")?;
    page.wait_for("!document.querySelector('.palette li')", PAGE_TIMEOUT)?;
    camera.take("palette-empty")
}

/// The choice of a draft model in the details of a larger one.
fn draft_model(server: &Server, folder: &PathBuf) -> Result<(), Error> {
    let session = Session::with_animations()?;
    let page = &session.open("about:blank")?;
    use_scripted_engine_everywhere(page)?;
    page.before_every_page("Object.defineProperty(navigator, 'deviceMemory', { get: () => 8 })")?;
    page.before_every_page("window.isThere = true")?;
    page.navigate(&server.page(""))?;
    page.click(".model-button")?;
    page.fill("#model-url", "bartowski/SmolLM2-1.7B-Instruct-GGUF/SmolLM2-1.7B-Instruct-Q4_K_M.gguf")?;
    page.press("Enter")?;
    page.click("[data-testid=inspection] .advanced summary")?;
    page.click("#draft-model")?;
    page.wait_for("document.querySelector('#draft-model:checked')", PAGE_TIMEOUT)?;
    Camera { page, folder }.take("draft-model")
}

struct Camera<'a> {
    page: &'a Page,
    folder: &'a PathBuf,
}

impl Camera<'_> {
    /// Takes the four screenshots of a state.
    fn take(&self, name: &str) -> Result<(), Error> {
        SIZES.into_iter().try_for_each(|size| self.take_at(name, size))
    }

    /// Takes the screenshots of both themes in one size.
    fn take_at(&self, name: &str, (size, width, height): (&str, u32, u32)) -> Result<(), Error> {
        self.page.resize(width, height)?;
        for theme in ["light", "dark"] {
            self.page.evaluate(&format!("document.documentElement.dataset.theme = {theme:?}"))?;
            self.page.evaluate(SETTLED)?;
            self.page.screenshot(&self.folder.join(format!("{name}-{size}-{theme}.png")))?;
        }
        Ok(())
    }
}
