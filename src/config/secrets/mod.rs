//! Secrets in ops files and in what is shown of them.

pub(in crate::config) mod command_line;
pub(in crate::config) mod mask;
pub(in crate::config) mod patterns;
pub(in crate::config) mod words;
