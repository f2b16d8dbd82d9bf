//! The nodes of ops files: their schema, their structs, decoding, and lowering to the model.

pub(in crate::config) mod build;
pub(in crate::config) mod decode;
pub(in crate::config) mod document;
pub(in crate::config) mod reader;
pub(in crate::config) mod schema;
