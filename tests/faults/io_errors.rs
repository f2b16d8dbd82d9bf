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
        // The others make mostly the same calls as the first.
        let step = if full || at == 0 { 1 } else { 9 };
        for errno in errors {
            let faults: Vec<Fault> = (1..=calls).step_by(step).map(|n| Fault::Fail(n, *errno)).collect();
            let name = format!("{errno:?} from a call, `{}`", sweep.scenario.name);
            sweep.try_all(&faults, None).settle(&name, faults.len());
        }
    }
}

/// A destination that has no hard links, owners, modes or times of its own: what it holds is a copy all the same.
#[test]
fn what_a_destination_cannot_keep_is_no_failure() {
    const KEEPING: [&str; 4] = ["linkat", "fchown", "fchmod", "utimensat"];
    let sweep = Sweep::new(scenario::all().swap_remove(2));
    let calls = sweep.undisturbed().calls;
    for name in KEEPING {
        for errno in [Errno::EPERM, Errno::EOPNOTSUPP] {
            let numbers = (1..).zip(&calls).filter(|(_, call)| call.name == name).map(|(n, _)| n);
            let faults: Vec<Fault> = numbers.map(|n| Fault::Fail(n, errno)).collect();
            assert!(
                !faults.is_empty() || (name == "fchown" && !rustix::process::geteuid().is_root()),
                "{name}"
            );
            let found = sweep.try_all(&faults, None);
            let finished: usize = found
                .exits
                .iter()
                .filter(|((end, _), _)| end == "Code(0)")
                .map(|(_, n)| n)
                .sum();
            found.settle(&format!("{name} answers {errno:?}"), faults.len());
            assert_eq!(finished, faults.len(), "{name}, {errno:?}");
        }
    }
}
