//! Code that runs in the engine's worker before the engine does, so that a test can make the browser fail.

use crate::{Error, Page};

/// Makes the page's next engine workers run `code` first. Must come before the page starts its engine.
///
/// # Errors
/// If the browser does not answer.
pub fn before_engine(page: &Page, code: &str) -> Result<(), Error> {
    page.evaluate(&instead(code)).map(drop)
}

/// The same for every page that the tab opens from now on, whenever it starts its engine.
///
/// # Errors
/// If the browser does not answer.
pub fn before_every_engine(page: &Page, code: &str) -> Result<(), Error> {
    page.before_every_page(&instead(code))
}

/// A script that puts another start in the place of the engine's.
fn instead(code: &str) -> String {
    format!(
        "(() => {{
            const Real = window.Worker;
            window.Worker = function (url, options) {{
                if (!String(url).includes('parlance-worker')) return new Real(url, options);
                // The page's policy lets workers import from the site only.
                const script = new URL(String(url).split('#')[1], document.baseURI).href;
                const code = {code:?} + `;await import(${{JSON.stringify(script)}})`;
                return new Real(URL.createObjectURL(new Blob([code], {{ type: 'text/javascript' }})), options);
            }};
        }})()"
    )
}
