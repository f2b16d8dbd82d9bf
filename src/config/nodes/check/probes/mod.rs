//! The probes: a file for each, with its row and its decoding; [`PROBES`] is the only list of them.

mod command;
mod disk_space;
mod file_age;
mod file_size;
mod http;
mod job;
mod tcp;
mod tls_expiry;

use crate::config::nodes::exactly_one::KindRow;
use crate::model::check::Probe;

/// Every probe; a check has exactly one.
pub const PROBES: [KindRow<Probe>; 9] = [
    file_age::FILE_AGE,
    file_size::FILE_SIZE,
    disk_space::DISK_SPACE,
    tcp::TCP,
    http::HTTP,
    tls_expiry::TLS_EXPIRY,
    command::COMMAND,
    command::SHELL,
    job::JOB,
];
