//! Values of SQL as JSON: null, numbers, text, and {"blob": "<base64>"}. A number that is none in JSON is {"real": "inf"}.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::{Value, ValueRef};
use serde_json::{Value as Json, json};

/// What a parameter is bound as. Booleans are 0 and 1.
pub fn to_sql(given: &Json) -> Result<Value, String> {
    match given {
        Json::Null => Ok(Value::Null),
        Json::Bool(yes) => Ok(Value::Integer(*yes as i64)),
        Json::String(text) => Ok(Value::Text(text.clone())),
        Json::Number(number) => match (number.as_i64(), number.is_u64(), number.as_f64()) {
            (Some(integer), _, _) => Ok(Value::Integer(integer)),
            (None, true, _) => Err(format!("the number {number} is greater than an integer of SQLite")),
            (None, false, Some(real)) => Ok(Value::Real(real)),
            _ => Err(format!("the number {number} cannot be bound")),
        },
        Json::Object(object) if object.len() == 1 => match (object.get("blob"), object.get("real")) {
            (Some(Json::String(text)), _) => STANDARD.decode(text).map(Value::Blob).map_err(|_| "a blob that is not base64".into()),
            (_, Some(Json::String(text))) => text.parse().map(Value::Real).map_err(|_| format!("{text:?} is no real number")),
            _ => Err(unknown(given)),
        },
        _ => Err(unknown(given)),
    }
}

fn unknown(given: &Json) -> String {
    let text: String = given.to_string().chars().take(60).collect();
    format!("{text} cannot be bound: null, a number, a text, true, false or {{\"blob\": base64}}")
}

pub fn to_json(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Null => Json::Null,
        ValueRef::Integer(integer) => json!(integer),
        ValueRef::Real(real) if real.is_finite() => json!(real),
        ValueRef::Real(real) => json!({"real": real.to_string()}),
        ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
        ValueRef::Blob(blob) => json!({"blob": STANDARD.encode(blob)}),
    }
}

/// Bytes of `to_json` as text, at most.
pub fn json_size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 32,
        ValueRef::Text(text) => 8 + text.iter().map(|byte| if byte.is_ascii_control() { 6 } else if matches!(byte, b'"' | b'\\') { 2 } else if byte.is_ascii() { 1 } else { 3 }).sum::<usize>(),
        ValueRef::Blob(blob) => 32 + blob.len().div_ceil(3) * 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        for text in ["null", "1", "-9223372036854775808", "9223372036854775807", "0.1", "5e-324", "1.7976931348623157e308", "\"tea\"", "{\"blob\":\"AP8=\"}", "{\"real\":\"-inf\"}"] {
            let given: Json = serde_json::from_str(text).unwrap();
            let bound = to_sql(&given).unwrap();
            assert_eq!(to_json((&bound).into()), given, "{text}");
            assert!(text.len() < json_size((&bound).into()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_bound_is_said() {
        for text in ["9223372036854775808", "[1]", "{}", "{\"blob\":1}", "{\"blob\":\"?\"}", "{\"a\":1,\"b\":2}"] {
            assert!(to_sql(&serde_json::from_str(text).unwrap()).is_err(), "{text}");
        }
    }
}
