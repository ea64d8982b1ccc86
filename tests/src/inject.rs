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
            const create = URL.createObjectURL;
            // What workers start from, by URL. Other scripts of this kind have seen URLs that the page made before.
            const sources = (window.workerSources ??= new Map());
            URL.createObjectURL = (source) => {{
                const url = create.call(URL, source);
                sources.set(url, source);
                return url;
            }};
            window.Worker = function (url, options) {{
                const [address, label] = String(url).split('#');
                if (label !== 'parlance-worker') return new Real(url, options);
                const source = new Blob([{code:?}, ';', sources.get(address)], {{ type: 'text/javascript' }});
                return new Real(`${{URL.createObjectURL(source)}}#${{label}}`, options);
            }};
        }})()"
    )
}
