//! The crontab of the user, as `crontab -l` prints it.
//!
//! Invariant: a user without a crontab is an error that says so.

use super::LaunchError;
use crate::process::{CaptureLimits, Ending, Spawn, Streams, Unsifted, run};
use crate::signal::Stop;
use std::path::PathBuf;
use std::time::Duration;

const MAX_BYTES: usize = 4 * 1024 * 1024;

pub fn crontab(stop: &Stop) -> Result<Vec<u8>, LaunchError> {
    let missing = |message: String| LaunchError::Missing {
        message,
        help: "give a file that contains a crontab, or `-` for stdin".to_owned(),
    };
    let spawn = Spawn {
        run_as: None,
        program: "crontab".to_owned(),
        arguments: vec!["-l".to_owned()],
        input: None,
        cwd: PathBuf::from("/"),
        env: Vec::new(),
        timeout: Some(Duration::from_secs(20)),
        kill_after: Duration::from_secs(1),
        streams: Streams::Separate,
        keep: CaptureLimits {
            head: MAX_BYTES,
            tail: 0,
        },
        trace: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| missing(format!("cannot run `crontab -l`: {error}")))?;
    let done = runtime.block_on(run(&spawn, &Unsifted, stop));
    let done = done.map_err(|error| missing(format!("cannot run `crontab -l`: {error}")))?;
    if let Some(signal) = stop.signal() {
        return Err(LaunchError::Signal(signal));
    }
    match done.ending {
        Ending::Exited(0) if done.stdout.dropped == 0 => Ok(done.stdout.head),
        Ending::Exited(0) => Err(missing("`crontab -l` prints more than 4 MiB".to_owned())),
        ending => {
            let stderr = String::from_utf8_lossy(&done.stderr.head).trim().to_owned();
            Err(missing(format!("`crontab -l` failed ({ending}): {stderr}")))
        }
    }
}
