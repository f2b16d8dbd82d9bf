//! An error, once, from every call that changes something.
//!
//! Nothing is lost, success is claimed only where all was done, nothing panics, and the next run finishes the
//! job. `OPSRUN_FAULTS=full` tries more kinds of errors.

use super::scenario;
use super::sweep::Sweep;
use super::tracer::Fault;
use nix::errno::Errno;

#[test]
fn one_error_at_any_call_loses_nothing() {
    let full = std::env::var_os("OPSRUN_FAULTS").is_some_and(|v| v == "full");
    let errors: &[Errno] = if full {
        &[
            Errno::EIO,
            Errno::ENOSPC,
            Errno::EDQUOT,
            Errno::EACCES,
            Errno::EPERM,
            Errno::EROFS,
            Errno::EINTR,
            Errno::EMFILE,
            Errno::ENOMEM,
            Errno::ESTALE,
            Errno::EXDEV,
        ]
    } else {
        &[Errno::EIO, Errno::ENOSPC]
    };
    for (at, scenario) in scenario::all().into_iter().enumerate() {
        let sweep = Sweep::new(scenario);
        let calls = sweep.undisturbed().calls.len();
        // The second scenario makes mostly the same calls.
        let step = if full || at == 0 { 1 } else { 3 };
        for errno in errors {
            let faults: Vec<Fault> = (1..=calls).step_by(step).map(|n| Fault::Fail(n, *errno)).collect();
            let name = format!("{errno:?} from a call, `{}`", sweep.scenario.name);
            sweep.try_all(&faults, None).settle(&name, faults.len());
        }
    }
}
