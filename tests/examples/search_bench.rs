//! Measures how well and how fast files of projects are searched, and how fast chats are:
//!
//!     cargo xtask bench-search
//!
//! - Recall at 5: of 200 questions about passages that say it in other words, how many find their passage among the first
//!   five, by words, by vectors (all-MiniLM-L6-v2, on the CPU), and by both.
//! - The time to search 10,000 passages.
//! - The time to search 10,000 chats, as the library's worker does once it has read them.
//!
//! The set is made from the tables below. Each of 20 houses has ten passages, so its name alone finds one in two.

use std::error::Error;
use std::time::Instant;

use parlance_engine::kernels::random::Random;
use parlance_engine::runtime::{Cpu, Encoder, Loaded, Loader, LoaderOptions};
use parlance_protocol::library::Id;
use parlance_tests::root;
use parlance_text::index::Index;
use parlance_text::search::{self, SearchIndex};
use pollster::block_on;

/// How many passages the speed is measured with.
const PASSAGES: usize = 10_000;
/// How many chats, each of so many messages, which have so many words.
const CHATS: (u64, usize, usize) = (10_000, 10, 60);
/// How often it is measured.
const RUNS: usize = 20;
/// Of a ranking, so many places count.
const DEPTH: usize = 5;

const HOUSES: [&str; 20] = [
    "Arden",
    "Birchwood",
    "Calloway",
    "Denholm",
    "Eastmere",
    "Fairlie",
    "Glenmoor",
    "Hartley",
    "Inverness",
    "Jesmond",
    "Kelso",
    "Lorimer",
    "Marchmont",
    "Norwood",
    "Oakley",
    "Penrose",
    "Quarles",
    "Ravenel",
    "Selby",
    "Thornbury",
];

/// What a passage says, and what is asked about it. `{}` is the house's name.
const FACTS: [(&str, &str); 10] = [
    ("The {} company was founded by two brothers who had repaired clocks.", "Who started {}?"),
    ("Most of what {} earns comes from leather shoes for children.", "What does {} mainly sell?"),
    ("All records of {} are kept in a cellar near the harbour.", "Where are the archives of {} stored?"),
    (
        "Every autumn the staff of {} meet for a long walk in the hills.",
        "What do employees of {} do together each year?",
    ),
    ("{} no longer uses mahogany, because it had become too dear.", "Why did {} give up an expensive kind of wood?"),
    (
        "A fire destroyed the roof of {} during a storm in March.",
        "What damage did the weather do to the building of {}?",
    ),
    ("The director of {} speaks five languages and used to be a pilot.", "What was the boss of {} before?"),
    ("Letters to {} are answered within a week, telephone calls never.", "How can one get in touch with {}?"),
    ("Visitors of {} pay nothing on the first Sunday of a month.", "When is admission to {} free?"),
    ("{} buys its electricity from a water mill that it owns.", "Where does the power for {} come from?"),
];

/// A passage that is asked about.
struct Case {
    passage: String,
    question: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let cases: Vec<Case> = HOUSES
        .iter()
        .flat_map(|house| FACTS.iter().map(move |(passage, question)| (house, passage, question)))
        .map(|(house, passage, question)| Case {
            passage: passage.replace("{}", house),
            question: question.replace("{}", house),
        })
        .collect();
    let passages: Vec<&str> = cases.iter().map(|case| case.passage.as_str()).collect();
    let mut encoder = encoder()?;
    let vectors = embed(&mut encoder, &passages)?;
    let questions: Vec<&str> = cases.iter().map(|case| case.question.as_str()).collect();
    let question_vectors = embed(&mut encoder, &questions)?;
    let words = Index::new(&passages);
    let mut both = Index::new(&passages);
    for (passage, vector) in vectors.iter().enumerate() {
        both.set_vector(passage, vector);
    }
    println!("| ranking | recall at {DEPTH} |\n| --- | --- |");
    let recall = |name: &str, search: &dyn Fn(usize) -> Vec<usize>| {
        let found = (0..cases.len()).filter(|case| search(*case).contains(case)).count();
        println!("| {name} | {:.1} % |", 100.0 * found as f64 / cases.len() as f64);
    };
    recall("words (BM25)", &|case| words.search(questions[case], None, DEPTH));
    recall("vectors", &|case| both.by_vector(&question_vectors[case], DEPTH));
    recall("both (reciprocal rank fusion)", &|case| both.search(questions[case], Some(&question_vectors[case]), DEPTH));
    measure_speed(&cases, &question_vectors);
    measure_chats(&cases);
    Ok(())
}

/// Prints how long it takes to search many passages, most of which are of random words and have random vectors.
fn measure_speed(cases: &[Case], question_vectors: &[Vec<f32>]) {
    let width = question_vectors.first().map_or(0, Vec::len);
    let mut random = Random(1);
    let words: Vec<&str> = cases.iter().flat_map(|case| case.passage.split(' ')).collect();
    let passages: Vec<String> = (0..PASSAGES)
        .map(|_| (0..130).map(|_| words[random.bits() as usize % words.len()]).collect::<Vec<_>>().join(" "))
        .collect();
    let start = Instant::now();
    let mut index = Index::new(&passages);
    println!("\n{PASSAGES} passages indexed by words in {:.0} ms", start.elapsed().as_secs_f64() * 1000.0);
    for passage in 0..PASSAGES {
        index.set_vector(passage, &random.floats(width));
    }
    let mut times: Vec<f64> = (0..RUNS)
        .map(|run| {
            let start = Instant::now();
            let found = index.search(&cases[run].question, Some(&question_vectors[run]), DEPTH);
            assert_eq!(found.len(), DEPTH);
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("searched by both in {:.1} ms (median), {:.1} ms at most", times[RUNS / 2], times[RUNS - 1]);
}

/// Prints how long it takes to search many chats. With numbers at their ends, there are as many words as in a large dictionary.
fn measure_chats(cases: &[Case]) {
    let (chats, messages, message_words) = CHATS;
    let mut random = Random(2);
    let words: Vec<&str> = cases.iter().flat_map(|case| case.passage.split(' ')).collect();
    let mut word = || format!("{}{}", words[random.bits() as usize % words.len()], random.bits() % 300);
    let start = Instant::now();
    let mut index = SearchIndex::default();
    for chat in 0..chats {
        let texts: Vec<String> =
            (0..messages).map(|_| (0..message_words).map(|_| word()).collect::<Vec<_>>().join(" ")).collect();
        index.set(Id(chat), texts.iter().map(String::as_str));
    }
    println!("\n{chats} chats made and read in {:.0} ms", start.elapsed().as_secs_f64() * 1000.0);
    let queries = ["leather", "founded by brothers", "e", "clocks1 harbour2", "the of a", "nothing-like-it"];
    for query in queries {
        let mut times: Vec<f64> = (0..RUNS)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(index.search(&search::words(query)));
                start.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let found = index.search(&search::words(query)).len();
        println!(
            "“{query}” found in {found} chats in {:.1} ms (median), {:.1} ms at most",
            times[RUNS / 2],
            times[RUNS - 1]
        );
    }
}

fn encoder() -> Result<Encoder, Box<dyn Error>> {
    let path = root().join("target/test-data/all-MiniLM-L6-v2.F16.gguf");
    let bytes =
        std::fs::read(&path).map_err(|error| format!("{}: {error}; run `cargo xtask setup`", path.display()))?;
    let mut loader = Loader::new(Cpu::blocking(), LoaderOptions::default());
    for chunk in bytes.chunks(1 << 20) {
        block_on(loader.push(chunk))?;
    }
    match block_on(loader.finish_any())? {
        Loaded::Encoder(encoder) => Ok(*encoder),
        Loaded::Decoder(_) | Loaded::Transcriber(_) => Err("the model is no encoder".into()),
    }
}

fn embed(encoder: &mut Encoder, texts: &[&str]) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let mut vectors = Vec::with_capacity(texts.len());
    for texts in texts.chunks(16) {
        vectors.extend(block_on(encoder.embed(texts))?.into_iter().map(|embedding| embedding.vector));
    }
    Ok(vectors)
}
