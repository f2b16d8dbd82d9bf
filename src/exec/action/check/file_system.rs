//! A question to a file system, which may never answer.
//!
//! Takes a blocking look at a path and a time limit, gives what the look gives or the outcome that says why there is
//! nothing: a path that is not there is critical, one that cannot be looked at unknown.
//! Invariant: a mount that hangs keeps a thread, never the run.

use crate::blocking;
use crate::exec::action::outcome;
use crate::path::shown;
use crate::run::{Outcome, State};
use crate::units::show_duration;
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) async fn look<T: Send + 'static>(
    path: &Path,
    limit: Duration,
    look: impl FnOnce(&Path) -> Result<T, Errno> + Send + 'static,
) -> Result<T, Outcome> {
    let asked: PathBuf = path.to_owned();
    let about = path.display().to_string();
    let answer = blocking::call(&about, move || look(&asked));
    let Ok(answer) = tokio::time::timeout(limit, answer).await else {
        return Err(outcome(
            State::Unknown,
            format!(
                "the file system of `{}` did not answer within {}",
                shown(path),
                show_duration(limit)
            ),
        )
        .with_help("is it on a network file system whose server is gone?"));
    };
    match answer {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(Errno::NOENT | Errno::NOTDIR)) => {
            Err(outcome(State::Critical, format!("`{}` does not exist", shown(path))))
        }
        Ok(Err(errno)) => Err(Outcome {
            help: matches!(errno, Errno::ACCESS | Errno::PERM)
                .then(|| "let the user that runs opsrun enter the folders above it".to_owned()),
            ..outcome(
                State::Unknown,
                format!("cannot look at `{}`: {}", shown(path), words(errno)),
            )
        }),
        Err(error) => Err(outcome(
            State::Unknown,
            format!("cannot look at `{}`: {error}", shown(path)),
        )),
    }
}

/// In words, without its number.
fn words(errno: Errno) -> String {
    let text = errno.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn a_file_system_that_hangs_leaves_unknown_in_time() {
        let (release, hang) = mpsc::channel::<()>();
        let found = block_on(look(Path::new("/mnt/gone"), Duration::from_millis(50), move |_| {
            let _ = hang.recv();
            Ok(())
        }));
        let outcome = found.unwrap_err();
        assert_eq!(outcome.state, State::Unknown);
        assert_eq!(
            outcome.summary,
            "the file system of `/mnt/gone` did not answer within 50ms"
        );
        drop(release);
    }

    #[test]
    fn errors_are_told_apart() {
        let of = |errno| {
            let found = block_on(look(Path::new("/x/y"), Duration::from_secs(60), move |_| {
                Err::<(), _>(errno)
            }));
            let outcome = found.unwrap_err();
            (outcome.state, outcome.summary, outcome.help.is_some())
        };
        assert_eq!(
            of(Errno::NOENT),
            (State::Critical, "`/x/y` does not exist".to_owned(), false)
        );
        assert_eq!(
            of(Errno::ACCESS),
            (
                State::Unknown,
                "cannot look at `/x/y`: permission denied".to_owned(),
                true
            )
        );
        assert_eq!(of(Errno::IO).0, State::Unknown);
    }
}
