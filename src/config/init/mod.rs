//! Ops files to start with: a commented one, and one made from a crontab.
//!
//! - `crontab_line`: what a line of a crontab is · `command`: how opsrun runs a command of cron, and its name
//! - `ping`: addresses that are secrets · `find_delete`: what is deleted by age
//! - `crontab`: the whole crontab, line by line
//!
//! Must not know where the text goes. Invariant: the text is valid, and holds no secret.

mod command;
mod crontab;
mod crontab_line;
mod find_delete;
mod ping;

pub use crontab::{CrontabOrigin, TranslatedCrontab, crontab, names_users};

/// The file that `opsrun init` writes.
pub const STARTER: &str = include_str!("starter.kdl");

#[cfg(test)]
mod tests;
