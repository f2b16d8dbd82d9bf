//! Any text as a quoted KDL string.

pub(in crate::config) fn kdl_string(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}
