//! `schemas/language.json`, read: what `opsrun schema` prints.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct Vocabulary {
    pub nodes: Vec<NodeEntry>,
    pub absent: Vec<AbsentEntry>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct NodeEntry {
    pub name: String,
    pub summary: String,
    pub arguments: Vec<ArgumentEntry>,
    pub properties: Vec<PropertyEntry>,
    pub children: Vec<NodeEntry>,
    pub required: bool,
    pub repeats: bool,
    pub default: Option<DefaultEntry>,
    pub rule: Option<String>,
    pub example: String,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct ArgumentEntry {
    #[serde(flatten)]
    pub form: ValueForm,
    pub required: bool,
    pub repeats: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct PropertyEntry {
    pub name: String,
    pub summary: String,
    #[serde(flatten)]
    pub form: ValueForm,
    pub required: bool,
    pub default: Option<DefaultEntry>,
    pub rule: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct ValueForm {
    #[serde(rename = "type")]
    pub ty: String,
    pub form: String,
    pub minimum: Option<u64>,
    pub maximum: Option<u64>,
    #[serde(default)]
    pub words: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DefaultEntry {
    Value(String),
    Words(String),
}

#[derive(Debug, Deserialize)]
pub(super) struct AbsentEntry {
    pub within: Option<String>,
    pub name: String,
    pub instead: String,
}

impl Vocabulary {
    pub(super) fn of_this_build() -> Self {
        serde_json::from_str(include_str!("../../../schemas/language.json")).unwrap()
    }
}
