//! Chat templates: the file's own Jinja, run by minijinja with the Python methods that templates use.
//!
//! A template is hostile input: it runs with a limit on steps and has no access to anything but the messages.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};

use crate::chat::Message;
use crate::error::{EngineError, Result};

/// `ChatML`, for files without a usable template.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] \
                      + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' \
                      }}{% endif %}";

const NAME: &str = "chat";
/// Steps that a template may take: published ones take a few thousand for a long conversation.
const FUEL: u64 = 10_000_000;

/// A compiled chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    begin: String,
    end: String,
    warning: Option<String>,
}

impl ChatTemplate {
    /// Compiles `source`; `begin` and `end` are the texts of the tokens that begin and end a sequence.
    ///
    /// Without a source, or with one that does not parse, `ChatML` takes its place and a warning says so.
    pub fn new(source: Option<&str>, begin: String, end: String) -> Self {
        let mut environment = Environment::new();
        // As Hugging Face's renderer has it.
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        let warning = match source {
            Some(source) => environment
                .add_template_owned(NAME, source.to_owned())
                .err()
                .map(|error| format!("the model's chat template is not usable ({error}); ChatML is used instead")),
            None => Some("the model file has no chat template; ChatML is used instead".to_owned()),
        };
        if warning.is_some() {
            let added = environment.add_template(NAME, CHATML);
            debug_assert!(added.is_ok(), "the built-in template parses");
        }
        Self { environment, begin, end, warning }
    }

    /// The prompt for an answer to `messages`.
    ///
    /// # Errors
    /// [`EngineError::Template`] with what the template, or the limit on its steps, says.
    pub fn render(&self, messages: &[Message]) -> Result<String> {
        self.environment
            .get_template(NAME)
            .and_then(|template| {
                template.render(context! {
                    messages => messages.iter().map(message_value).collect::<Vec<_>>(),
                    add_generation_prompt => true,
                    bos_token => self.begin.as_str(),
                    eos_token => self.end.as_str(),
                })
            })
            .map_err(|error| EngineError::Template(error.to_string()))
    }

    /// Why `ChatML` is used, if it is not the file's own choice.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

fn message_value(message: &Message) -> Value {
    Value::from_pairs([("role", message.role.as_str()), ("content", message.content.as_str())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: Option<&str>) -> Result<String> {
        let messages = [Message::new("system", "Be brief."), Message::new("user", "Hi")];
        ChatTemplate::new(source, "<s>".to_owned(), "</s>".to_owned()).render(&messages)
    }

    #[test]
    fn chatml_is_the_fallback() {
        let expected =
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        for source in [None, Some("{% for %}")] {
            assert_eq!(render(source), Ok(expected.to_owned()));
            assert!(ChatTemplate::new(source, String::new(), String::new()).warning().is_some());
        }
    }

    #[test]
    fn templates_see_tokens_and_python_methods() {
        let source = "{{ bos_token }}{% for m in messages %}{{ m.content.strip().upper() }}{% endfor %}{{ eos_token }}";
        assert_eq!(render(Some(source)), Ok("<s>BE BRIEF.HI</s>".to_owned()));
    }

    #[test]
    fn an_endless_template_and_one_that_refuses_are_errors() {
        let endless = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}";
        assert!(matches!(render(Some(endless)), Err(EngineError::Template(_))));
        let refusing = "{{ raise_exception('only user messages') }}";
        assert!(matches!(render(Some(refusing)), Err(EngineError::Template(text)) if text.contains("only user")));
    }
}
