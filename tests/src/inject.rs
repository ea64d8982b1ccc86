//! Code that runs in the engine's worker before the engine does, so that a test can make the browser fail.

use crate::{Error, Page};

/// Makes the page's next engine workers run `code` first. Must come before the page starts its engine.
///
/// # Errors
/// If the browser does not answer.
pub fn before_engine(page: &Page, code: &str) -> Result<(), Error> {
    let script = format!(
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
    );
    page.evaluate(&script).map(drop)
}
