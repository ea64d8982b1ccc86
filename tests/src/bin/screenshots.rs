//! Pictures of every page and state, in both themes, at desktop and phone width.

use std::path::PathBuf;
use std::time::Duration;

use parlance_tests::{Error, Page, Server, Session, root};

const SIZES: [(&str, u32, u32); 2] = [("desktop", 1280, 800), ("phone", 390, 844)];
const ANSWERED: &str = "document.querySelector('.statistics')";

fn main() -> Result<(), Error> {
    let folder = root().join("target/screenshots");
    std::fs::create_dir_all(&folder)?;
    let server = Server::start()?;
    let session = Session::start(true)?;
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
    // In a browser of its own: a tab in the background draws nothing.
    let slow_session = Session::start(true)?;
    let slow = slow_session.open(&server.page(&format!("?model={}", server.slow_model())))?;
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

    let session = Session::start(true)?;
    let page = session.open(&server.page(&format!("?model={}", server.faulty("page.html"))))?;
    page.wait_for("document.querySelector('.failure')", Duration::from_secs(60))?;
    Camera { page: &page, folder: &folder }.take("bad-model")?;
    page.evaluate("(history.pushState({}, '', './nowhere'), dispatchEvent(new PopStateEvent('popstate')))")?;
    page.wait_for("document.querySelector('.notice')", Duration::from_secs(10))?;
    Camera { page: &page, folder: &folder }.take("not-found")?;

    let session = Session::start(false)?;
    let page = session.open(&server.page(""))?;
    page.click("[data-testid=model-offer] button")?;
    page.wait_for("document.querySelector('.webgpu-help')", Duration::from_secs(60))?;
    Camera { page: &page, folder: &folder }.take("no-webgpu")
}

struct Camera<'a> {
    page: &'a Page,
    folder: &'a PathBuf,
}

impl Camera<'_> {
    /// Takes the four pictures of a state.
    fn take(&self, name: &str) -> Result<(), Error> {
        for (size, width, height) in SIZES {
            self.page.resize(width, height)?;
            for theme in ["light", "dark"] {
                self.page.evaluate(&format!("document.documentElement.dataset.theme = {theme:?}"))?;
                // Two frames, so that the new layout and theme are on screen.
                self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")?;
                self.page.screenshot(&self.folder.join(format!("{name}-{size}-{theme}.png")))?;
            }
        }
        Ok(())
    }
}
