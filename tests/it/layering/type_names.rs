//! One name, one type: types that other files can see have names of their own.

use super::tokens::{SourceFile, is_name};
use std::collections::BTreeMap;

/// Every name that more than one visible type has, with the files that define it.
pub(super) fn shared_names(files: &[SourceFile]) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in files {
        for name in visible_types(&file.tokens) {
            places.entry(name).or_default().push(file.name());
        }
    }
    let shared = places.into_iter().filter(|(_, files)| files.len() > 1);
    shared
        .map(|(name, files)| format!("`{name}` names {} types: {}", files.len(), files.join(", ")))
        .collect()
}

/// The types of a file that are `pub`, in whatever extent.
fn visible_types(tokens: &[String]) -> Vec<&str> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if tokens[at] != "pub" {
            continue;
        }
        let mut after = at + 1;
        if tokens.get(after).is_some_and(|token| token == "(") {
            after += tokens[after..].iter().take_while(|token| *token != ")").count() + 1;
        }
        let kind = tokens.get(after).map(String::as_str);
        if let (Some("struct" | "enum" | "trait" | "type" | "union"), Some(name)) = (kind, tokens.get(after + 1))
            && is_name(name)
        {
            found.push(name.as_str());
        }
    }
    found
}
