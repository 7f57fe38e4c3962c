//! The smallest input that a tool's schema allows.

use serde_json::{Map, Value, json};

/// No schema may make an input of more values and text bytes than this, however often it repeats itself.
const MAX_SIZE: usize = 64 * 1024;
const MAX_DEPTH: usize = 32;

/// An input with the required properties and nothing else. Always an object, as a tool's input is.
pub(super) fn smallest_input(schema: &Value) -> Value {
    let mut maker = Maker { root: schema, left: MAX_SIZE };
    match maker.value(schema, MAX_DEPTH) {
        input @ Value::Object(_) => input,
        _ => json!({}),
    }
}

struct Maker<'a> {
    root: &'a Value,
    /// How much may still be made.
    left: usize,
}

impl<'a> Maker<'a> {
    fn value(&mut self, schema: &'a Value, depth: usize) -> Value {
        let Some(schema) = schema.as_object().filter(|_| depth > 0 && self.take(1)) else {
            return Value::Null;
        };
        let given = schema.get("const").or_else(|| schema.get("default")).or_else(|| first(schema, "enum"));
        if let Some(given) = given {
            return self.copy(given);
        }
        let elsewhere = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        if let Some(elsewhere) = elsewhere.and_then(|pointer| self.root.pointer(pointer)) {
            return self.value(elsewhere, depth - 1);
        }
        if let Some(option) = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| first(schema, name)) {
            return self.value(option, depth - 1);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => self.copy(&json!("simulé 漢字 🦀")),
            "integer" | "number" => schema.get("minimum").map_or_else(|| json!(1), |least| self.copy(least)),
            "boolean" => json!(true),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Value {
        let properties = schema.get("properties").and_then(Value::as_object);
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let mut required: Vec<&str> = required.filter_map(Value::as_str).collect();
        // Maps of `serde_json` are sorted or not, as features have it. These come out sorted either way.
        required.sort_unstable();
        let mut object = Map::new();
        for name in required {
            if !self.take(name.len()) {
                break;
            }
            let property = properties.and_then(|properties| properties.get(name));
            let value = property.map_or_else(|| Value::Null, |property| self.value(property, depth - 1));
            object.insert(name.into(), value);
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Value {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let mut array = Vec::new();
        while (array.len() as u64) < least && self.left > 0 {
            let item = schema.get("items").map_or(Value::Null, |items| self.value(items, depth - 1));
            self.take(1);
            array.push(item);
        }
        Value::Array(array)
    }

    /// A copy of what the schema gives, as far as there is room.
    fn copy(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) if self.take(text.len()) => value.clone(),
            Value::Array(items) => {
                let mut copy = Vec::new();
                for item in items {
                    if !self.take(1) {
                        break;
                    }
                    copy.push(self.copy(item));
                }
                Value::Array(copy)
            }
            Value::Object(fields) => {
                let mut copy = Map::new();
                for (name, field) in fields {
                    if !self.take(1 + name.len()) {
                        break;
                    }
                    copy.insert(name.clone(), self.copy(field));
                }
                Value::Object(copy)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
            Value::String(_) => Value::Null,
        }
    }

    /// Takes room, or all that is left if it is not enough.
    fn take(&mut self, size: usize) -> bool {
        let enough = size <= self.left;
        self.left = self.left.saturating_sub(size);
        enough
    }
}

fn first<'a>(schema: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    schema.get(name)?.as_array()?.first()
}

/// The type, or the first of several that is not null. Properties without a type mean an object.
fn kind(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|&kind| kind != "null").unwrap_or("null")
        }
        _ if schema.contains_key("properties") => "object",
        _ => "null",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_required() {
        let schema = json!({
            "type": "object",
            "required": ["city", "unit", "days", "where", "tags", "strict"],
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["celsius", "kelvin"]},
                "days": {"type": ["null", "integer"], "minimum": 3},
                "where": {"$ref": "#/$defs/place"},
                "tags": {"type": "array", "minItems": 2, "items": {"const": "t"}},
                "strict": {"type": "boolean"},
                "other": {"type": "string"},
            },
            "$defs": {"place": {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}}}},
        });
        let expected = json!({
            "city": "simulé 漢字 🦀", "unit": "celsius", "days": 3, "where": {"x": 1}, "tags": ["t", "t"], "strict": true,
        });
        assert_eq!(smallest_input(&schema), expected);
    }

    #[test]
    fn a_schema_that_repeats_itself_stays_small() {
        let big = "x".repeat(MAX_SIZE / 2);
        for schema in [
            json!({"$ref": "#"}),
            json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}),
            json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "array",
                "minItems": 1_u64 << 60, "items": {"type": "array", "minItems": 1_u64 << 60}}}}),
            json!({"type": "object", "required": ["a", "b", "c"], "properties": {
                "a": {"const": big}, "b": {"const": big}, "c": {"const": big}}}),
            json!({"type": "object", "required": [1, null, "é"]}),
            json!({"type": 7}),
            json!(false),
        ] {
            assert!(smallest_input(&schema).to_string().len() < 5 * MAX_SIZE + 100, "{schema:.80}");
        }
    }
}
