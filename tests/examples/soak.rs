//! Uses the app for a long time and measures its memory:
//!
//!     cargo xtask soak [--minutes 120] [--device gpu] [--json]

use std::time::Duration;

use parlance_tests::Server;
use parlance_tests::soak::{Soak, is_flat, json, report, row};

/// Actions between two samples.
const ACTIONS: usize = 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut minutes, mut device, mut is_json) = (120.0, "gpu".to_owned(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--json" => is_json = true,
            "--minutes" => minutes = arguments.next().ok_or("--minutes needs a number")?.parse()?,
            "--device" => device = arguments.next().ok_or("--device needs gpu or cpu")?,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let mut soak = Soak::begin(Server::start()?, &format!("device={device}&temperature=0.7"))?;
    let mut samples = vec![soak.sample()?];
    while soak.elapsed() < Duration::from_secs_f64(minutes * 60.0) {
        for _ in 0..ACTIONS {
            soak.act()?;
        }
        let sample = soak.sample()?;
        // Shows progress, and keeps the results so far if the run fails.
        eprint!("{}", row(&sample));
        samples.push(sample);
    }
    // The last messages are saved within a second.
    std::thread::sleep(Duration::from_secs(2));
    let (asked, saved) = (soak.questions, soak.saved_questions()?);
    if is_json {
        println!("{:#}", json(&samples));
    } else {
        println!("{}\nQuestions asked: {asked}; saved: {saved}.", report(&samples));
    }
    let is_fine = is_flat(&samples, |sample| sample.page_mb, 2.0)
        && is_flat(&samples, |sample| sample.worker_mb, 1.0)
        && is_flat(&samples, |sample| sample.buffers, 8.0)
        && asked == saved;
    if is_fine { Ok(()) } else { Err("memory grew or messages were lost, see above".into()) }
}
