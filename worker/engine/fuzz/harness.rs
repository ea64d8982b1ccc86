//! What the fuzz targets, and the test over their corpus, do with an input. A panic or an allocation above the limit is
//! a bug; an error is not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parlance_engine::EngineError;
use parlance_engine::ggml::read_header;
use parlance_engine::gguf::{Gguf, Parsed, Value, Writer};
use parlance_engine::models::{
    EncoderConfig, EncoderPlan, ModelConfig, ModelPlan, ProjectorConfig, ProjectorPlan, SpeechConfig, SpeechPlan,
};
use parlance_engine::template::{ChatTemplate, TemplateOptions};
use parlance_engine::tokenizer::{Detokenizer, Tokenizer};
use serde_json::json;

/// Maximum memory that a run may allocate in addition to what existed before it, whatever its input says: far more than
/// valid headers of that size need, far less than a false count would take.
pub(crate) const MAX_ALLOCATED_BYTES: usize = 64 << 20;
/// The same for a template, whose strings are bounded by its fuel.
const MAX_TEMPLATE_BYTES: usize = 512 << 20;
/// Stack size of a worker in a browser.
const STACK_BYTES: usize = 1 << 20;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Counts allocations and aborts the program above the limit.
pub(crate) struct CountingAllocator;

// SAFETY: every call is passed to the system allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        if now > LIMIT.load(Ordering::Relaxed) {
            // Not a panic: its message would allocate.
            std::process::abort();
        }
        // SAFETY: the caller's guarantees are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's guarantees are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn capped(max_bytes: usize, work: impl FnOnce()) {
    LIMIT.store(ALLOCATED.load(Ordering::Relaxed).saturating_add(max_bytes), Ordering::Relaxed);
    work();
    LIMIT.store(usize::MAX, Ordering::Relaxed);
}

/// Parses a file and plans the model that it describes.
pub(crate) fn parse(data: &[u8]) {
    capped(MAX_ALLOCATED_BYTES, || {
        for len in [Some(data.len() as u64), None] {
            let Ok(Parsed::Complete(gguf)) = Gguf::parse(data, len) else { continue };
            if let Ok(config) = ModelConfig::from_gguf(&gguf) {
                let _ = ModelPlan::new(&gguf, &config, 128 << 20);
            }
            if let Ok(config) = EncoderConfig::from_gguf(&gguf) {
                let _ = EncoderPlan::new(&gguf, &config, 128 << 20);
            }
            if let Ok(configs) = ProjectorConfig::all_from_gguf(&gguf) {
                let _ = ProjectorPlan::all(&gguf, &configs, 128 << 20);
            }
            plan_speech(&gguf);
            let _ = Gguf::merge(&[*gguf]);
        }
        let header = read_header(data.len() as u64, |at, buffer| -> Result<(), EngineError> {
            buffer.copy_from_slice(&data[at as usize..at as usize + buffer.len()]);
            Ok(())
        });
        if let Ok(header) = header {
            plan_speech(&header);
        }
    });
}

fn plan_speech(gguf: &Gguf) {
    if let Ok(config) = SpeechConfig::from_gguf(gguf) {
        let _ = SpeechPlan::new(gguf, &config, 128 << 20);
    }
}

/// Builds the tokenizer that the input describes and runs a text through it.
///
/// The first byte is the kind, the second has flags. Then follow tokens (the first byte of each is its type), separated
/// by 0xFF bytes; two 0xFF bytes; merges; two 0xFF bytes; and the text.
pub(crate) fn tokenize(data: &[u8]) {
    let Some(([kind, flags], rest)) = data.split_first_chunk::<2>() else { return };
    let mut sections = split_on(rest, b"\xFF\xFF");
    let (tokens, merges) = (sections.next().unwrap_or_default(), sections.next().unwrap_or_default());
    let text = String::from_utf8_lossy(sections.next().unwrap_or_default()).into_owned();
    let strings = |section: &[u8], skip: usize| -> Vec<String> {
        let parts = section.split(|byte| *byte == 0xFF);
        parts.map(|part| String::from_utf8_lossy(part.get(skip..).unwrap_or_default()).into_owned()).collect()
    };
    let first_bytes =
        |modulo: u8| tokens.split(|byte| *byte == 0xFF).map(move |part| part.first().map_or(1, |b| b % modulo));
    let names = ["gpt2", "llama", "t5", "bert"];
    // Mostly those whose patterns compile quickly: patterns are part of the engine, not of the input.
    let pre_tokenizers = ["bloom", "viking", "bloom", "gpt-2"];
    let mut writer = Writer::default();
    let mut add = |key: &str, value: Value| {
        writer.metadata(&format!("tokenizer.ggml.{key}"), &value);
    };
    add("model", Value::String(names[usize::from(kind % 4)].to_owned()));
    add("pre", Value::String(pre_tokenizers[usize::from(kind / 4 % 4)].to_owned()));
    add("tokens", Value::Strings(strings(tokens, 1)));
    add("token_type", Value::Integers(first_bytes(7).map(i64::from).collect()));
    add("scores", Value::Floats(first_bytes(251).map(|byte| f32::from(byte) - 100.0).collect()));
    add("merges", Value::Strings(strings(merges, 0)));
    add("precompiled_charsmap", Value::Integers(merges.iter().map(|byte| i64::from(*byte)).collect()));
    add("unknown_token_id", Value::Unsigned(u64::from(flags & 3)));
    for (bit, key) in
        ["add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces"].iter().enumerate()
    {
        add(key, Value::Bool(flags >> (bit + 2) & 1 == 1));
    }
    let Ok(Parsed::Complete(gguf)) = Gguf::parse(&writer.header(), None) else { return };
    capped(MAX_ALLOCATED_BYTES, || {
        let Ok(tokenizer) = Tokenizer::from_gguf(&gguf, 1 << 20).map(Arc::new) else { return };
        let guarded = tokenizer.guard(&text);
        for ids in
            [tokenizer.encode(&text), tokenizer.encode_plain(&text), tokenizer.encode(&guarded)].into_iter().flatten()
        {
            let mut detokenizer = Detokenizer::new(Arc::clone(&tokenizer));
            for id in tokenizer.wrap(ids) {
                assert!((id as usize) < tokenizer.vocab_len(), "the token is in the vocabulary");
                let _ = detokenizer.push(id);
            }
            let _ = detokenizer.finish();
        }
    });
}

/// Tries out a template and renders a conversation with it, on a stack as short as a browser's.
pub(crate) fn render(data: &[u8]) {
    let source = String::from_utf8_lossy(data);
    let work = || {
        let template = ChatTemplate::new(Some(&source), "<s>".to_owned(), "</s>".to_owned());
        let parameters = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
        let function = json!({ "name": "weather", "description": "Gets the weather.", "parameters": parameters });
        let call = json!({ "function": { "name": "weather", "arguments": { "city": "Bern" } } });
        let messages = json!([
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "Hi" },
            { "role": "assistant", "content": "", "tool_calls": [call] },
            { "role": "tool", "name": "weather", "content": "sunny" },
            { "role": "user", "content": "Thanks" },
        ]);
        let tools = Some(json!([{ "type": "function", "function": function }]));
        let options = TemplateOptions { tools, now_seconds: Some(1_700_000_000), ..TemplateOptions::default() };
        let _ = template.render(&messages, &options);
    };
    capped(MAX_TEMPLATE_BYTES, || {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
            let Ok(thread) = thread else { return };
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        });
    });
}

/// The parts of `bytes` between occurrences of `separator`.
fn split_on<'b>(bytes: &'b [u8], separator: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let current = rest?;
        let at = current.windows(separator.len()).position(|window| window == separator);
        rest = at.map(|at| &current[at + separator.len()..]);
        Some(&current[..at.unwrap_or(current.len())])
    })
}
