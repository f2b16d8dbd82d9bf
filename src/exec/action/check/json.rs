//! Whether a JSON document holds the values that it must hold.
//!
//! Takes a body, pointers with expected scalars and the redaction; gives what is wrong, a line each.
//! Invariant: a found value is redacted before it is cut, and a document that cannot be read is an error, never a
//! document without findings.

use super::answer::Redaction;
use crate::model::check::BodyValue;
use crate::path::Shown;
use serde_json::Value;

/// Of a value, no more is shown.
const MOST_CHARACTERS: usize = 80;

/// What is wrong; empty when everything is as expected. An error says why the body is not JSON.
pub(super) fn mismatches(body: &[u8], expected: &[BodyValue], redact: Redaction<'_>) -> Result<Vec<String>, String> {
    // The parser refuses deep nesting by itself.
    let document: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(expected
        .iter()
        .filter_map(
            |BodyValue {
                 pointer,
                 value: expected,
             }| {
                let name = if pointer.is_empty() {
                    "the document".to_owned()
                } else {
                    format!("`{}`", Shown(pointer.as_bytes()))
                };
                match document.pointer(pointer) {
                    None => Some(format!("{name} is missing, expected {}", show(expected, redact))),
                    Some(found) if equal(found, expected) => None,
                    Some(found) => Some(format!(
                        "{name} is {}, expected {}",
                        show(found, redact),
                        show(expected, redact)
                    )),
                }
            },
        )
        .collect())
}

/// `1` and `1.0` are the same number.
fn equal(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() != b.is_f64() => a.as_f64() == b.as_f64(),
        _ => found == expected,
    }
}

fn show(value: &Value, redact: Redaction<'_>) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        // Redacted as it is, for a quoted form may differ from the secret; then cut; then made one line.
        Value::String(text) => format!("\"{}\"", Shown(cut(&redact(text)).as_bytes())),
        other => cut(&redact(&other.to_string())),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(body: &str, pointer: &str, expected: Value) -> Result<Vec<String>, String> {
        let expected = BodyValue {
            pointer: pointer.to_owned(),
            value: expected,
        };
        mismatches(body.as_bytes(), &[expected], &|text| text.replace("hunter2", "***"))
    }

    #[test]
    fn what_is_as_expected_is_not_named() {
        assert_eq!(wrong(r#"{"status":"UP"}"#, "/status", json!("UP")), Ok(vec![]));
        assert_eq!(wrong(r#"{"a":[{"b~/c":2.0}]}"#, "/a/0/b~0~1c", json!(2)), Ok(vec![]));
        assert_eq!(wrong("true", "", json!(true)), Ok(vec![]));
        assert_eq!(
            wrong("[9007199254740993]", "/0", json!(9_007_199_254_740_993_u64)),
            Ok(vec![])
        );
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let one = |body, expected| wrong(body, "/status", expected).unwrap().concat();
        assert_eq!(
            one(r#"{"status":"DOWN"}"#, json!("UP")),
            "`/status` is \"DOWN\", expected \"UP\""
        );
        assert_eq!(one("{}", json!("UP")), "`/status` is missing, expected \"UP\"");
        assert_eq!(one(r#"{"status":"1"}"#, json!(1)), "`/status` is \"1\", expected 1");
        assert_eq!(
            one(r#"{"status":{"up":true}}"#, json!(true)),
            "`/status` is an object, expected true"
        );
        assert_eq!(
            one(r#"{"status":null}"#, json!("UP")),
            "`/status` is null, expected \"UP\""
        );
        assert_eq!(
            one(r#"{"status":9007199254740993}"#, json!(9_007_199_254_740_992_u64)),
            "`/status` is 9007199254740993, expected 9007199254740992"
        );
    }

    #[test]
    fn values_are_redacted_before_they_are_cut_and_made_one_line() {
        let long = format!(r#"{{"status":"{}hunter2"}}"#, "x".repeat(76));
        assert_eq!(
            wrong(&long, "/status", json!("UP")).unwrap().concat(),
            format!("`/status` is \"{}***\", expected \"UP\"", "x".repeat(76))
        );
        let longer = format!(r#"{{"status":"{}"}}"#, "é".repeat(500));
        let text = wrong(&longer, "/status", json!("UP")).unwrap().concat();
        assert!(text.contains(&format!("\"{}…\"", "é".repeat(80))), "{text}");
        let lines = wrong("{\"status\":\"a\\n\\u001b[2Jb\"}", "/status", json!("UP"))
            .unwrap()
            .concat();
        assert_eq!(lines, "`/status` is \"a\\n\\u{1b}[2Jb\", expected \"UP\"");
    }

    #[test]
    fn no_json_and_deep_json_are_errors() {
        assert!(wrong("<html>", "/status", json!("UP")).is_err());
        assert!(wrong("", "", json!(null)).is_err());
        let bomb = "[".repeat(500_000);
        assert!(wrong(&bomb, "/0", json!("UP")).unwrap_err().contains("recursion limit"));
        let closed = format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert!(wrong(&closed, "/a", json!("UP")).is_err());
    }
}
