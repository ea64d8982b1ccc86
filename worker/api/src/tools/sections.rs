//! Reads tool calls in the syntax of a model family.

use parlance_protocol::openai::FunctionDefinition;
use serde_json::Value;

use super::format::{DEEPSEEK_CALL, DEEPSEEK_CALL_END, DEEPSEEK_SEPARATOR, Layout, MISTRAL_ID, Syntax, ToolFormat};
use super::reader::{Call, Halt, Read, Reader, valid_name};
use super::{json, literals, tagged};

/// What a text says about calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// The calls. The last may be incomplete.
    pub(crate) calls: Vec<Call>,
    /// The bytes of text that they account for.
    pub(crate) len: usize,
    /// How the text ends.
    pub(crate) ending: Ending,
}

/// How a text with calls ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// More may follow.
    Open,
    /// The calls are complete.
    Closed,
    /// What follows the calls is not one.
    Broken,
}

/// Reads the calls at the start of `text`, which starts with an opener or with a call that needs none.
pub(crate) fn read(format: ToolFormat, text: &str, tools: &[FunctionDefinition], is_final: bool) -> Section {
    let mut reader = Reader::new(text, tools, is_final);
    let ending = match reader.section(&format.layout()) {
        Ok(()) if reader.calls.is_empty() => Ending::Broken,
        Ok(()) => Ending::Closed,
        Err(Halt::Unfinished) => Ending::Open,
        Err(Halt::Invalid) => Ending::Broken,
    };
    Section { calls: reader.calls, len: reader.len, ending }
}

impl Reader<'_> {
    fn section(&mut self, layout: &Layout) -> Read<()> {
        if let Some(opener) = layout.openers.iter().find(|opener| self.rest().starts_with(**opener)) {
            self.at += opener.len();
        }
        match layout.syntax {
            Syntax::Object => self.objects(!layout.closer.is_empty())?,
            Syntax::List(separator) => self.list(separator)?,
            Syntax::Line => {
                self.skip_space();
                let name = self.name_until("\n")?;
                self.json_arguments(name)?;
            }
            Syntax::DeepSeek => self.deepseek_calls()?,
            Syntax::Tagged(tags) => tagged::read(self, tags, layout.closer)?,
            Syntax::Gemma => literals::read_gemma(self)?,
            Syntax::Python => self.python_list()?,
            // Its calls are messages of their own.
            Syntax::Harmony => return Err(Halt::Invalid),
        }
        self.close(layout.closer)
    }

    /// Moves behind the closer if it is there. It may be missing.
    fn close(&mut self, closer: &str) -> Read<()> {
        self.len = self.at;
        if closer.is_empty() {
            return Ok(());
        }
        self.skip_space();
        let is_partial = self.is_final && closer.starts_with(self.rest());
        if is_partial {
            self.at = self.text.len();
        } else if !self.eat(closer)? {
            return Ok(());
        }
        self.len = self.at;
        Ok(())
    }

    /// Objects with name and arguments. Some models separate several by semicolons. Without markers, an object is only
    /// a call if it has arguments.
    fn objects(&mut self, may_lack_arguments: bool) -> Read<()> {
        loop {
            self.skip_space();
            self.object(may_lack_arguments)?;
            let end = self.at;
            self.skip_space();
            if !self.eat(";")? {
                self.at = end;
                return Ok(());
            }
        }
    }

    /// A JSON object with name and arguments.
    fn object(&mut self, may_lack_arguments: bool) -> Read<()> {
        if self.peek()? != '{' {
            return Err(Halt::Invalid);
        }
        let (text, start) = (self.rest(), self.at);
        let len = json::value_len(text);
        // Some models wrap calls like the API does.
        let first = json::member(text, &["name", "function"]).map(|span| span.start);
        let inner = first.filter(|at| text[*at..].starts_with('{')).unwrap_or(0);
        let fields = &text[inner..];
        self.at += len.unwrap_or(0);
        let name = json::member(fields, &["name"])
            .and_then(|span| serde_json::from_str::<String>(&fields[span.start..span.end?]).ok());
        let arguments = json::member(fields, &["arguments", "parameters"]);
        match (name, arguments) {
            (Some(name), Some(span)) if fields[span.start..].starts_with('{') => {
                let end = span.end.unwrap_or(fields.len());
                self.calls.push(Call { name: valid_name(&name)?, arguments: fields[span.start..end].to_owned() });
                self.len = start + inner + end;
            }
            // Other arguments are read when they are complete.
            (Some(name), span) if len.is_some() && (may_lack_arguments || span.is_some()) => {
                let value = span.and_then(|span| Some(&fields[span.start..span.end?])).unwrap_or("null");
                self.calls.push(Call { name: valid_name(&name)?, arguments: arguments_of(value) });
            }
            _ if len.is_some() => return Err(Halt::Invalid),
            _ => {}
        }
        len.ok_or(Halt::Unfinished)?;
        self.len = self.at;
        Ok(())
    }

    /// A list of objects, one object, or a name with arguments after `separator`.
    fn list(&mut self, separator: &str) -> Read<()> {
        self.skip_space();
        match self.peek()? {
            '[' => self.object_list(),
            '{' => self.object(true),
            _ if separator.is_empty() => Err(Halt::Invalid),
            _ => {
                let head = self.head(self.rest().find(separator))?;
                self.at += separator.len();
                // Some models put an id in between.
                let name = valid_name(head.split(MISTRAL_ID).next().unwrap_or_default())?;
                self.json_arguments(name)
            }
        }
    }

    fn object_list(&mut self) -> Read<()> {
        self.expect("[")?;
        loop {
            self.skip_space();
            if self.eat("]")? {
                return Ok(());
            }
            self.object(true)?;
            self.skip_space();
            if !self.eat(",")? {
                return self.expect("]");
            }
        }
    }

    /// A JSON object, the arguments of a call.
    fn json_arguments(&mut self, name: String) -> Read<()> {
        self.skip_space();
        if self.peek()? != '{' {
            return Err(Halt::Invalid);
        }
        let text = self.rest();
        let len = json::value_len(text);
        let arguments = &text[..len.unwrap_or(text.len())];
        self.calls.push(Call { name, arguments: arguments.to_owned() });
        self.at += arguments.len();
        self.len = self.at;
        len.map(|_| ()).ok_or(Halt::Unfinished)
    }

    fn deepseek_calls(&mut self) -> Read<()> {
        loop {
            self.skip_space();
            if !self.eat(DEEPSEEK_CALL)? {
                return Ok(());
            }
            let head = self.name_until(DEEPSEEK_SEPARATOR)?;
            self.skip_space();
            // Either the name comes before the separator, or the kind of tool.
            if self.peek()? == '{' {
                self.json_arguments(head)?;
            } else {
                let name = self.name_until("\n")?;
                self.skip_space();
                self.expect("```json")?;
                self.json_arguments(name)?;
                self.skip_space();
                self.expect("```")?;
            }
            self.skip_space();
            self.expect(DEEPSEEK_CALL_END)?;
            self.len = self.at;
        }
    }

    /// `[name(key=value)]`; some models write JSON objects instead.
    fn python_list(&mut self) -> Read<()> {
        self.skip_space();
        let start = self.at;
        if self.peek()? == '{' {
            return self.object(true);
        }
        self.expect("[")?;
        self.skip_space();
        if self.peek()? == '{' {
            self.at = start;
            return self.object_list();
        }
        literals::read_python(self)
    }
}

/// Arguments that are not an object, as JSON: some models encode them as a string, some have none.
fn arguments_of(value: &str) -> String {
    match serde_json::from_str(value) {
        Ok(Value::Null) => "{}".to_owned(),
        Ok(Value::String(text)) => text,
        _ => value.to_owned(),
    }
}
