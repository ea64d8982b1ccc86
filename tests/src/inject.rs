//! Runs code in the engine worker before the engine starts, so that tests can make browser APIs fail.

use crate::{Error, Page};

/// Makes the page's next engine workers run `code` first. Must be called before the page starts its engine.
///
/// # Errors
/// If the browser does not answer.
pub fn before_engine(page: &Page, code: &str) -> Result<(), Error> {
    page.evaluate(&wrapped_worker(code)).map(drop)
}

/// Like [`before_engine`], for every page that the tab opens from now on.
///
/// # Errors
/// If the browser does not answer.
pub fn before_every_engine(page: &Page, code: &str) -> Result<(), Error> {
    page.before_every_page(&wrapped_worker(code))
}

/// A script that wraps `Worker`, so that engine workers run `code` first.
fn wrapped_worker(code: &str) -> String {
    format!(
        "(() => {{
            const Real = window.Worker;
            window.Worker = function (url, options) {{
                if (!String(url).includes('parlance-worker')) return new Real(url, options);
                // The page's policy only lets workers import from the site.
                const script = new URL('parlance-worker.js', document.baseURI).href;
                const code = {code:?} + `;await (await import(${{JSON.stringify(script)}})).default()`;
                return new Real(URL.createObjectURL(new Blob([code], {{ type: 'text/javascript' }})), options);
            }};
        }})()"
    )
}
