//! From the bytes of an answer to the data of an operation.
//!
//! Main type: [`Decoded`]. Whether bytes are GraphQL at all is decided by their shape, never by
//! the HTTP status. Unknown keys are ignored; a duplicate key makes an answer worthless.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;

use super::catalogue::{GraphError, classify};
use super::fault::Fault;
use super::transport::Held;

/// The most values an answer may have: as many as a list of a hundred thousand members.
///
/// A value of two bytes takes fifty times as much when it is taken apart, so the length of an answer
/// alone does not bound the memory that it takes.
pub(super) const MOST_VALUES: u64 = 1 << 20;
/// The longest list of errors, in bytes.
const LONGEST_ERRORS: usize = 1 << 20;

/// The two parts of an answer, as they stand in it.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Fault> {
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Fault::malformed("not a JSON object"));
        }
        if body.iter().map(|&byte| u64::from(byte == b',')).sum::<u64>() >= MOST_VALUES {
            return Err(Fault::malformed("more values than any Houston returns"));
        }
        serde_json::from_slice(body).map_err(|error| Fault::malformed(&error.to_string()))
    }

    /// The text of `data`, unless it is null; it must be an object.
    fn data(&self) -> Result<Option<&'a RawValue>, Fault> {
        match self.data {
            Some(data) if !data.get().starts_with('{') => Err(Fault::malformed("`data` is not an object")),
            data => Ok(data),
        }
    }

    fn errors(&self) -> Result<Vec<Value>, Fault> {
        let Some(errors) = self.errors else { return Ok(Vec::new()) };
        if errors.get().len() > LONGEST_ERRORS {
            return Err(Fault::malformed("more errors than can be read"));
        }
        serde_json::from_str(errors.get()).map_err(|_| Fault::malformed("`errors` is not a list"))
    }
}

/// An answer taken apart: data by root field, and errors.
#[derive(Debug, Clone, Default)]
pub struct Decoded {
    data: Option<Box<RawValue>>,
    /// The root fields of `data`; none for null.
    fields: HashMap<String, Option<IgnoredAny>>,
    /// All errors, in the server's order.
    pub errors: Vec<GraphError>,
    /// The HTTP status it came with.
    pub status: u16,
    /// The memory that it takes.
    #[expect(dead_code, reason = "held for its end")]
    held: Held,
}

impl Decoded {
    /// Takes a body apart; `Malformed` if it is not a GraphQL answer.
    pub fn read(body: &[u8], status: u16) -> Result<Self, Fault> {
        let envelope = Envelope::read(body)?;
        let data = envelope.data()?;
        let fields = match data {
            Some(data) => {
                serde_json::from_str(data.get()).map_err(|error| Fault::malformed(&error.to_string()))?
            }
            None => HashMap::new(),
        };
        let errors = envelope.errors()?.iter().map(graph_error).collect();
        Ok(Self { data: data.map(ToOwned::to_owned), fields, errors, status, held: Held::default() })
    }

    /// Gives back this memory when it is dropped.
    pub(super) fn holding(self, held: Held) -> Self {
        Self { held, ..self }
    }

    /// Whether the whole of `data` is missing.
    pub fn is_dataless(&self) -> bool {
        self.data.is_none()
    }

    /// Whether this root field has a value.
    pub fn has(&self, field: &str) -> bool {
        matches!(self.fields.get(field), Some(Some(_)))
    }

    /// What all errors mean together.
    pub fn fault(&self) -> Option<Fault> {
        classify(&self.errors, self.status)
    }

    /// What the errors of one root field mean; those without a path belong to every field.
    pub fn fault_of(&self, field: &str) -> Option<Fault> {
        classify(
            self.errors.iter().filter(|error| error.root.as_deref().is_none_or(|root| root == field)),
            self.status,
        )
    }

    /// What the errors below one root field mean that make its data doubtful: everything but
    /// refusals of parts that the caller may not see.
    pub fn doubt_of(&self, field: &str) -> Option<Fault> {
        self.fault_of(field).filter(|fault| !matches!(fault, Fault::Denied { .. }))
    }

    /// Whether an error names this root field in its path.
    pub fn blames(&self, field: &str) -> bool {
        self.errors.iter().any(|error| error.root.as_deref() == Some(field))
    }

    /// Whether the server says that it does not know this field, argument or variable.
    pub fn does_not_know(&self, name: &str) -> bool {
        self.errors.iter().any(|error| {
            matches!(super::catalogue::classify_one(error, self.status),
                Fault::Schema { subject: Some(subject), .. } if subject == name)
        })
    }

    /// The data in the shape of an operation; missing fields count as null.
    pub fn data<T: DeserializeOwned>(self) -> Result<T, Fault> {
        let data = self.data.as_deref().map_or("{}", RawValue::get);
        serde_json::from_str(data).map_err(|error| Fault::malformed(&error.to_string()))
    }
}

fn graph_error(error: &Value) -> GraphError {
    let path = error.get("path").and_then(Value::as_array);
    GraphError {
        message: error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
        code: error.pointer("/extensions/code").and_then(Value::as_str).map(str::to_owned),
        root: path.and_then(|path| path.first()).and_then(Value::as_str).map(str::to_owned),
    }
}

/// Whether these bytes look like the answer of a GraphQL server: a JSON object with `data` or with
/// a list of `errors`. The usual beginnings are believed without reading on; a fault in the rest
/// then shows when the answer is taken apart.
pub fn is_graphql(body: &[u8]) -> bool {
    const USUAL: [&[u8]; 2] = [b"{\"data\":{", b"{\"errors\":[{\"message\":"];
    let ends_well = body.trim_ascii_end().ends_with(b"}");
    if ends_well && USUAL.iter().any(|start| body.starts_with(start)) {
        return true;
    }
    let Ok(answer) = Envelope::read(body) else { return false };
    let has_errors = answer.errors().is_ok_and(|errors| {
        !errors.is_empty() && errors.iter().all(|error| error.get("message").is_some_and(Value::is_string))
    });
    has_errors || answer.data().is_ok_and(|data| data.is_some())
}

/// What the errors of an answer mean, without taking it apart where it has none.
pub fn fault_in(body: &[u8], status: u16) -> Option<Fault> {
    let text = std::str::from_utf8(body).ok()?;
    text.contains("\"errors\"").then(|| Decoded::read(body, status).ok()?.fault()).flatten()
}

/// What the errors of an answer mean that has no data at all; such a request came to nothing.
pub fn refusal_in(body: &[u8], status: u16) -> Option<Fault> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.contains("\"errors\""))?;
    let decoded = Decoded::read(text.as_bytes(), status).ok()?;
    if decoded.fields.values().all(Option::is_none) { decoded.fault() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Code;

    #[test]
    fn graphql_is_known_by_its_shape() {
        for yes in [
            r#"{"data":{"a":1}}"#,
            r#" { "extensions": {}, "data": {} } "#,
            r#"{"errors":[{"message":"x"}],"data":null}"#,
            r#"{"level":"error","errors":[{"message":"x"}]}"#,
        ] {
            assert!(is_graphql(yes.as_bytes()), "{yes}");
        }
        for no in [
            "",
            "<html>",
            "[]",
            "null",
            "{}",
            r#"{"data":[]}"#,
            r#"{"data":null}"#,
            r#"{"errors":[]}"#,
            r#"{"errors":"x"}"#,
            r#"{"errors":[{"detail":"x"}]}"#,
            r#"{"data":{"a"#,
        ] {
            assert!(!is_graphql(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn unknown_keys_do_no_harm() {
        let body = br#"{"data":{"a":3,"b":null},"level":"x","errors":[{"message":"m","timestamp":1,
            "extensions":{"code":"C","exception":{"stacktrace":[]}},"path":["a",0,"b"]}]}"#;
        let decoded = Decoded::read(body, 200).unwrap();
        let expected = GraphError { message: "m".into(), code: Some("C".into()), root: Some("a".into()) };
        assert_eq!(decoded.errors, [expected]);
        assert!(decoded.has("a") && decoded.blames("a") && !decoded.blames("b"));
        assert!(!decoded.has("b") && !decoded.has("c"));
        assert_eq!(decoded.data::<Value>().unwrap(), serde_json::json!({"a": 3, "b": null}));
    }

    #[test]
    fn of_two_values_for_one_key_none_is_believed() {
        for body in [r#"{"data":{"a":1},"data":{"a":2}}"#, r#"{"data":null,"errors":[],"errors":[]}"#] {
            assert_eq!(
                Decoded::read(body.as_bytes(), 200).unwrap_err().code(),
                Code::MalformedAnswer,
                "{body}"
            );
        }
    }

    #[test]
    fn an_answer_with_too_many_values_is_refused_before_they_are_made() {
        const MOST: usize = 1 << 20;
        assert_eq!(MOST as u64, MOST_VALUES);
        for (start, value) in [("{\"data\":{\"a\":[", "{\"\":0}"), ("{\"data\":null,\"errors\":[", "0")] {
            let body = |count| format!("{start}{}{value}]}}", format!("{value},").repeat(count));
            let error = Decoded::read(body(MOST).as_bytes(), 200).unwrap_err();
            assert!(error.to_string().contains("more"), "{error}");
            assert!(!is_graphql(body(MOST).as_bytes()) || start.contains("\"a\""));
        }
    }

    #[test]
    fn a_deep_answer_is_malformed_and_not_a_crash() {
        let body = format!("{{\"data\":{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(Decoded::read(body.as_bytes(), 200).unwrap_err().code(), Code::MalformedAnswer);
    }

    #[test]
    fn an_answer_without_errors_is_not_taken_apart() {
        assert_eq!(fault_in(br#"{"data":{"a":1}}"#, 200), None);
        let body =
            br#"{"errors":[{"message":"x","extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":null}"#;
        assert_eq!(fault_in(body, 200).unwrap().code(), Code::InternalServerError);
    }

    #[test]
    fn only_an_answer_without_any_data_is_a_refusal() {
        const DENIED: &str = r#""errors":[{"message":"x","path":["a"],"extensions":{"code":"FORBIDDEN"}}]"#;
        let code = |data: &str| {
            let body = format!("{{{DENIED}{data}}}");
            refusal_in(body.as_bytes(), 200).map(|fault| fault.code())
        };
        for refused in ["", r#","data":null"#, r#","data":{"a":null}"#, r#","data":{"a":null,"b":null}"#] {
            assert_eq!(code(refused), Some(Code::Denied), "{refused}");
        }
        assert_eq!(code(r#","data":{"a":null,"b":[]}"#), None);
        assert_eq!(refusal_in(br#"{"data":{"a":null}}"#, 200), None);
        assert_eq!(refusal_in(br#"{"errors":"#, 200), None);
    }
}
