//! Continuous use while memory is measured: chats, edits, stops, switches, models that are unloaded and reloaded.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser::REDUCED_MOTION;
use crate::chat::{self, MODEL_TIMEOUT, READY};
use crate::inject::before_engine;
use crate::{Error, Page, Server, Session};

/// Measurements at one point in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Minutes since the start.
    pub minute: f64,
    /// Actions so far.
    pub actions: u32,
    /// The page's JavaScript heap after a collection, in MB.
    pub page_mb: f64,
    /// DOM nodes.
    pub nodes: f64,
    /// The engine worker's wasm memory, in MB.
    pub worker_mb: f64,
    /// GPU buffers.
    pub buffers: f64,
    /// Their total size, in MB.
    pub gpu_mb: f64,
    /// Average time of an action since the previous sample, in ms.
    pub action_ms: f64,
}

/// Measures the engine's memory. A buffer counts until it is destroyed or garbage-collected.
const COUNT: &str = "
    const alive = new Map();
    let last = 0;
    const collected = new FinalizationRegistry((id) => alive.delete(id));
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (descriptor) {
        const buffer = createBuffer.call(this, descriptor);
        const id = ++last;
        alive.set(id, descriptor.size);
        collected.register(buffer, id);
        const destroy = buffer.destroy.bind(buffer);
        buffer.destroy = () => { alive.delete(id); destroy(); };
        return buffer;
    };
    let memory = { buffer: { byteLength: 0 } };
    const { instantiateStreaming } = WebAssembly;
    WebAssembly.instantiateStreaming = async (...given) => {
        const result = await instantiateStreaming(...given);
        memory = result.instance.exports.memory ?? memory;
        return result;
    };
    const asked = new BroadcastChannel('soak');
    asked.onmessage = async ({ data }) => {
        if (data !== 'count') return;
        for (let i = 0; i < 3; i += 1) {
            self.gc?.();
            await new Promise((done) => setTimeout(done, 30));
        }
        const gpu_bytes = [...alive.values()].reduce((sum, size) => sum + size, 0);
        asked.postMessage({ worker_bytes: memory.buffer.byteLength, buffers: alive.size, gpu_bytes });
    };
";

const ASK_FOR_COUNTS: &str = "new Promise((done) => {
    const channel = new BroadcastChannel('soak');
    channel.onmessage = ({ data }) => data !== 'count' && (channel.close(), done(data));
    channel.postMessage('count');
})";

/// A page under continuous use.
pub struct Soak {
    page: Page,
    // Held only to be dropped with the soak.
    _session: Session,
    _server: Server,
    start: Instant,
    actions: u32,
    /// How long the actions since the last sample took.
    action_time: Duration,
    sampled_actions: u32,
    /// Questions asked.
    pub questions: u32,
}

impl Soak {
    /// Opens a server's site with these options, such as `device=cpu`, and loads its model.
    ///
    /// # Errors
    /// If the browser or the model fails.
    pub fn begin(server: Server, options: &str) -> Result<Self, Error> {
        let session = Session::with_switches(
            &[crate::browser::WITH_WEBGPU, &[REDUCED_MOTION, "--js-flags=--expose-gc", "--enable-precise-memory-info"]]
                .concat(),
        )?;
        let page = session.open(&server.page(&format!("?{options}&max_tokens=6")))?;
        before_engine(&page, COUNT)?;
        page.click("[data-testid=model-offer] button")?;
        page.wait_for(READY, MODEL_TIMEOUT)?;
        Ok(Self {
            page,
            _session: session,
            _server: server,
            start: Instant::now(),
            actions: 0,
            action_time: Duration::ZERO,
            sampled_actions: 0,
            questions: 0,
        })
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Performs the next user action.
    ///
    /// # Errors
    /// If the page does not respond.
    pub fn act(&mut self) -> Result<(), Error> {
        self.actions += 1;
        let start = Instant::now();
        self.act_next()?;
        self.action_time += start.elapsed();
        Ok(())
    }

    fn act_next(&mut self) -> Result<(), Error> {
        let page = &self.page;
        match self.actions % 10 {
            1 => {
                chat::new_chat(page)?;
                self.ask("Tell me about the sea.")
            }
            2 | 6 => self.ask("And about ships?"),
            3 => {
                chat::ask(page, "Write a long story.")?;
                self.questions += 1;
                // A quick answer may already be complete.
                page.evaluate("document.querySelector('[aria-label=Stop]')?.click()")?;
                chat::answer(page).map(drop)
            }
            4 => {
                self.press("Regenerate")?;
                chat::answer(page).map(drop)
            }
            5 => {
                // A different recent conversation each time, so that none grows without end.
                let other = 1 + self.actions / 10 % 8;
                page.evaluate(&format!("document.querySelectorAll('.conversation').item({other})?.click()"))?;
                std::thread::sleep(Duration::from_millis(300));
                Ok(())
            }
            7 => {
                page.follow("settings")?;
                page.wait_for("document.querySelector('#system-prompt')", MODEL_TIMEOUT)?;
                page.follow("./")?;
                page.wait_for("document.querySelector('#message')", MODEL_TIMEOUT)
            }
            8 => self.ask("One more word, please."),
            // The next question reloads it.
            9 if self.actions % 20 == 19 => self.unload(),
            _ => self.ask("Thank you. What is two and two?"),
        }
    }

    /// Takes a sample.
    ///
    /// # Errors
    /// If the page does not answer.
    pub fn sample(&mut self) -> Result<Sample, Error> {
        self.page.evaluate("(window.gc?.(), new Promise((done) => setTimeout(done, 50)))")?;
        let counts = self.page.evaluate(ASK_FOR_COUNTS)?;
        let page = self
            .page
            .evaluate("({ heap: performance.memory.usedJSHeapSize, nodes: document.querySelectorAll('*').length })")?;
        let number = |value: &Value, name: &str| value[name].as_f64().unwrap_or_default();
        let actions = self.actions - std::mem::replace(&mut self.sampled_actions, self.actions);
        let action_time_ms = std::mem::take(&mut self.action_time).as_secs_f64() * 1e3;
        Ok(Sample {
            minute: self.start.elapsed().as_secs_f64() / 60.0,
            actions: self.actions,
            page_mb: number(&page, "heap") / 1e6,
            nodes: number(&page, "nodes"),
            worker_mb: number(&counts, "worker_bytes") / 1e6,
            buffers: number(&counts, "buffers"),
            gpu_mb: number(&counts, "gpu_bytes") / 1e6,
            action_ms: action_time_ms / f64::from(actions.max(1)),
        })
    }

    /// How many of the questions are in the database.
    ///
    /// # Errors
    /// If the database does not answer.
    pub fn saved_questions(&self) -> Result<u32, Error> {
        let count = self.page.evaluate(
            "(async () => {
                const [{ name }] = await indexedDB.databases();
                const database = await new Promise((done) => {
                    const request = indexedDB.open(name);
                    request.onsuccess = () => done(request.result);
                });
                const all = database.transaction('messages').objectStore('messages').getAll();
                const messages = await new Promise((done) => (all.onsuccess = () => done(all.result)));
                database.close();
                return messages.filter(({ role }) => role === 'user').length;
            })()",
        )?;
        Ok(count.as_u64().unwrap_or_default() as u32)
    }

    /// Unloads the model.
    ///
    /// # Errors
    /// If none is loaded.
    pub fn unload(&self) -> Result<(), Error> {
        let page = &self.page;
        page.click(".model-button")?;
        page.wait_for("document.querySelector('[data-testid=current-model]')", MODEL_TIMEOUT)?;
        page.evaluate("document.querySelector('[data-testid=current-model] button').click()")?;
        page.click(".dialog [aria-label=Close]")
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// If there is none.
    pub fn ask(&mut self, question: &str) -> Result<(), Error> {
        self.questions += 1;
        chat::ask(&self.page, question)?;
        chat::answer(&self.page).map(drop)
    }

    /// Clicks the last button with this name.
    fn press(&self, name: &str) -> Result<(), Error> {
        let button = format!(
            "[...document.querySelectorAll('.message button')].findLast((button) => (button.ariaLabel ?? button.innerText.trim()) === {name:?})"
        );
        self.page.wait_for(&button, MODEL_TIMEOUT)?;
        self.page.evaluate(&format!("{button}.click()")).map(drop)
    }
}

/// Whether a measure does not grow: its median over the last third of the samples is at most a tenth, plus `slack`,
/// above that over the second third.
pub fn is_flat(samples: &[Sample], measure: impl Fn(&Sample) -> f64, slack: f64) -> bool {
    let median = |samples: &[Sample]| {
        let mut values: Vec<f64> = samples.iter().map(&measure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let third = samples.len() / 3;
    median(&samples[2 * third..]) <= 1.1 * median(&samples[third..2 * third]) + slack
}

/// The header of the table of samples.
const HEADER: &str =
    "| minute | actions | page heap (MB) | DOM nodes | worker wasm (MB) | GPU buffers | GPU (MB) | seconds per action |
| --- | --- | --- | --- | --- | --- | --- | --- |
";

/// A sample as a row of the table, in Markdown.
pub fn row(sample: &Sample) -> String {
    let Sample { minute, actions, page_mb, nodes, worker_mb, buffers, gpu_mb, action_ms } = sample;
    let action_s = action_ms / 1e3;
    format!(
        "| {minute:.1} | {actions} | {page_mb:.2} | {nodes} | {worker_mb:.1} | {buffers} | {gpu_mb:.1} | {action_s:.1} |\n"
    )
}

/// The samples as a chart and a table, in Markdown.
pub fn report(samples: &[Sample]) -> String {
    let series = |measure: fn(&Sample) -> f64| {
        // More points would be unreadable.
        let step = samples.len().div_ceil(40).max(1);
        let values = samples.iter().step_by(step).map(|sample| format!("{:.1}", measure(sample)));
        values.collect::<Vec<_>>().join(", ")
    };
    let last = samples.last().map_or(0.0, |sample| sample.minute);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "```mermaid\nxychart-beta\n    title \"MB, from bottom to top: page heap, worker wasm, GPU buffers\"\n    x-axis \"minutes\" 0 --> {last:.0}\n    y-axis \"MB\"\n    line [{}]\n    line [{}]\n    line [{}]\n```\n",
        series(|sample| sample.page_mb),
        series(|sample| sample.worker_mb),
        series(|sample| sample.gpu_mb),
    );
    text.push_str(HEADER);
    for sample in samples.iter().step_by(samples.len().div_ceil(12).max(1)) {
        text.push_str(&row(sample));
    }
    text
}

/// The samples as JSON.
pub fn json(samples: &[Sample]) -> Value {
    let row = |sample: &Sample| {
        json!({
            "minute": sample.minute, "actions": sample.actions, "page_mb": sample.page_mb, "nodes": sample.nodes,
            "worker_mb": sample.worker_mb, "buffers": sample.buffers, "gpu_mb": sample.gpu_mb, "action_ms": sample.action_ms,
        })
    };
    samples.iter().map(row).collect()
}
