//! Why the variables of a request do not fit, worded as graphql-js does.
//!
//! Main function: [`explain`]. The engine has found the error; this only words it.

use apollo_compiler::executable::Operation;
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::response::{JsonMap, JsonValue};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{Schema, ast::Type};

use super::profile::Style;

/// The first variable that does not fit, and the position of its definition. `None` if the fault
/// lies deeper than the value itself; then the engine's own message serves.
pub(super) fn explain(
    schema: &Valid<Schema>,
    operation: &Operation,
    given: &JsonMap,
    style: Style,
) -> Option<(String, Option<SourceSpan>)> {
    operation.variables.iter().find_map(|definition| {
        let (name, ty) = (&definition.name, &*definition.ty);
        let message = match given.get(name.as_str()) {
            None if ty.is_non_null() && definition.default_value.is_none() => {
                Some(format!("Variable \"${name}\" of required type \"{ty}\" was not provided."))
            }
            Some(JsonValue::Null) if ty.is_non_null() => {
                Some(format!("Variable \"${name}\" of non-null type \"{ty}\" must not be null."))
            }
            None | Some(JsonValue::Null) => None,
            Some(value) => misfit(schema, ty, value, style)
                .map(|why| format!("Variable \"${name}\" got invalid value {value}; {why}")),
        };
        message.map(|message| (message, definition.location()))
    })
}

fn misfit(schema: &Valid<Schema>, ty: &Type, value: &JsonValue, style: Style) -> Option<String> {
    let (Type::Named(name) | Type::NonNullNamed(name)) = ty else { return None };
    let old = |name: &str| match style {
        Style::As2 => Some(format!("Expected type {name}.")),
        Style::As3 | Style::As4 => None,
    };
    match schema.types.get(name)? {
        ExtendedType::Enum(definition) => {
            let text = value.as_str();
            if text.is_some_and(|text| definition.values.keys().any(|known| known == text)) {
                return None;
            }
            let new = || match text {
                Some(text) => format!("Value \"{text}\" does not exist in \"{name}\" enum."),
                None => format!("Enum \"{name}\" cannot represent non-string value: {value}."),
            };
            Some(old(name).unwrap_or_else(new))
        }
        ExtendedType::Scalar(_) => {
            let kind = match name.as_str() {
                "String" if !value.is_string() => "a non string",
                "Boolean" if !value.is_boolean() => "a non boolean",
                "Int" if !value.is_i64() => "non-integer",
                _ => return None,
            };
            Some(old(name).unwrap_or_else(|| format!("{name} cannot represent {kind} value: {value}")))
        }
        ExtendedType::InputObject(_) => {
            (!value.is_object()).then(|| format!("Expected type \"{name}\" to be an object."))
        }
        ExtendedType::Object(_) | ExtendedType::Interface(_) | ExtendedType::Union(_) => None,
    }
}
