//! Checks across nodes.

pub(in crate::config) mod cycles;
pub(in crate::config) mod deletion;
pub(in crate::config) mod host;
pub(in crate::config) mod lexical;
pub(in crate::config) mod names;
pub(in crate::config) mod nested_directories;
pub(in crate::config) mod never_ready;
pub(in crate::config) mod notify;
pub(in crate::config) mod schedule_fit;
pub(in crate::config) mod schedule_pitfalls;
pub(in crate::config) mod schedules;
pub(in crate::config) mod validate;
