//! The program: everything is in the library.
//!
//! Takes the command line and the environment, gives an exit code. Must not know anything.
//! Invariant: no code path but the one through `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    opsrun::cli::main()
}
