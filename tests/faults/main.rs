//! What must hold at all times: crashes and I/O errors at every call that changes a file system.
//!
//! - [`tracer`]: interferes with a program at one exact call
//! - [`checker`]: is every byte still there? Shares no code with opsrun
//! - [`sample`]: which of all points are tried
//! - [`scenario`]: the trees and ops files that are tried
//! - [`sweep`]: one scenario under many faults
//! - [`crash_sweep`]: a kill at every call
//! - [`io_errors`]: an error from every call
//! - [`writers`]: another program changes the tree, at every call
//! - [`marker`]: a kill while a writer is added to a destination
//! - [`file_systems`]: file systems that lack what ext4 has
//! - [`damage`]: a flipped bit, a missing end
//! - [`restores`]: kills and errors at every call of a restore
//!
//! The program is tested as it was built with these tests, with `--threads 1`, so that the calls come in one order.
//! Needs x86_64 for its registers.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test harness stops at the unexpected, starts programs and deletes its own files"
)]

mod checker;
mod crash_sweep;
mod damage;
mod file_systems;
mod io_errors;
mod marker;
mod restores;
mod sample;
mod scenario;
mod self_test;
mod sweep;
mod tracer;
mod writers;

use std::path::Path;
use std::process::{Command, Output};

/// Runs a program of the system to its end.
fn system(program: &str, args: &[&str], dir: &Path) -> Output {
    Command::new(program).args(args).current_dir(dir).output().unwrap()
}
