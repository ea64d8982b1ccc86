//! What a tool's schema says about its parameters, for formats whose values have no type of their own.

use parlance_protocol::openai::FunctionDefinition;
use serde_json::Value;

/// Maximum number of references and alternatives to follow.
const MAX_DEPTH: usize = 8;

/// The types that a parameter's schema allows; none if it does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Types {
    pub(super) text: bool,
    /// Any other type.
    pub(super) other: bool,
}

impl Types {
    /// The types of the parameter `key` of the tool `name`.
    pub(super) fn of(tools: &[FunctionDefinition], name: &str, key: &str) -> Self {
        let root = tools.iter().find(|tool| tool.name == name).and_then(|tool| tool.parameters.as_ref());
        let schema = root.and_then(|root| root.get("properties")?.get(key));
        root.zip(schema).map(|(root, schema)| Self::of_schema(root, schema)).unwrap_or_default()
    }

    /// The types of a schema within `root`.
    pub(super) fn of_schema(root: &Value, schema: &Value) -> Self {
        let mut types = Self::default();
        types.add(root, schema, 0);
        types
    }

    fn add(&mut self, root: &Value, schema: &Value, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let list = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
        match schema.get("type") {
            Some(Value::String(name)) => return self.add_type(name),
            Some(Value::Array(names)) => {
                return names.iter().filter_map(Value::as_str).for_each(|name| self.add_type(name));
            }
            _ => {}
        }
        for value in list("enum").chain(schema.get("const")) {
            self.add_type(if value.is_string() { "string" } else { "other" });
        }
        for schema in list("anyOf").chain(list("oneOf")).chain(list("allOf")) {
            self.add(root, schema, depth + 1);
        }
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        if let Some(schema) = reference.and_then(|path| root.pointer(path)) {
            self.add(root, schema, depth + 1);
        }
    }

    fn add_type(&mut self, name: &str) {
        if name == "string" {
            self.text = true;
        } else {
            self.other = true;
        }
    }

    /// The value that a model wrote as `text`, as JSON: text, unless the schema has another type that fits.
    pub(super) fn json(self, text: &str) -> String {
        let word = text.trim();
        // Some models write Python.
        let word = match word {
            "True" => "true",
            "False" => "false",
            "None" => "null",
            word => word,
        };
        let is_other =
            self.other && serde_json::from_str(word).is_ok_and(|value: Value| !self.text || !value.is_string());
        if is_other { word.to_owned() } else { Value::from(text).to_string() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_text_unless_the_schema_says_otherwise() {
        let root = json!({ "$defs": { "n": { "type": "integer" }, "loop": { "$ref": "#/$defs/loop" } } });
        for (schema, text, expected) in [
            (json!({}), "5", r#""5""#),
            (json!({ "type": "string" }), "5", r#""5""#),
            (json!({ "type": "integer" }), " 5\n", "5"),
            (json!({ "type": "integer" }), "five", r#""five""#),
            (json!({ "type": "boolean" }), "True", "true"),
            (json!({ "type": ["string", "null"] }), "null", "null"),
            (json!({ "type": ["string", "null"] }), "\"a\"", r#""\"a\"""#),
            (json!({ "type": "array" }), r#"["a"]"#, r#"["a"]"#),
            (json!({ "enum": ["1", "2"] }), "1", r#""1""#),
            (json!({ "anyOf": [{ "type": "string" }, { "type": "number" }] }), "1.5", "1.5"),
            (json!({ "$ref": "#/$defs/n" }), "7", "7"),
            (json!({ "$ref": "#/$defs/loop" }), "7", r#""7""#),
        ] {
            assert_eq!(Types::of_schema(&root, &schema).json(text), expected, "{schema}: {text}");
        }
    }
}
