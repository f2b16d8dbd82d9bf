//! An error, once, from every call that changes something.
//!
//! Nothing is lost, success is claimed only where all was done, nothing panics, and the next run finishes the
//! job. The full form tries more kinds of errors.

use super::sample::{described, full, sample_calls};
use super::scenario;
use super::sweep::Sweep;
use super::tracer::Fault;
use nix::errno::Errno;

#[test]
fn one_error_at_any_call_loses_nothing() {
    let mut errors = vec![Errno::EIO, Errno::ENOSPC];
    if full() {
        errors.extend([
            Errno::EDQUOT,
            Errno::EACCES,
            Errno::EPERM,
            Errno::EROFS,
            Errno::EINTR,
            Errno::EMFILE,
            Errno::ENOMEM,
            Errno::ESTALE,
            Errno::EXDEV,
        ]);
    }
    for scenario in scenario::all() {
        let sweep = Sweep::new(scenario);
        let trace = sweep.undisturbed();
        // The others make mostly the calls of the first.
        let one_in = if sweep.scenario.name == "expired" { 10 } else { 24 };
        for errno in &errors {
            let calls = sample_calls(&trace, one_in, |_| true);
            let faults: Vec<Fault> = calls.into_iter().map(|n| Fault::Fail(n, *errno)).collect();
            let name = format!("{errno:?} from a call, `{}`", sweep.scenario.name);
            sweep
                .try_all(&faults, None)
                .settle(&name, &described(faults.len(), trace.calls.len()));
        }
    }
}

/// A network file system, or FUSE, does what it was asked and loses the answer, or asks twice and finds nothing the second
/// time.
#[test]
fn a_lost_answer_loses_nothing() {
    const NAMING: [&str; 6] = ["renameat", "renameat2", "linkat", "unlinkat", "mkdirat", "symlinkat"];
    for (name, lacks, one_in) in [
        ("expired", &[][..], 2),
        ("expired", &[("renameat2", ".", Errno::EINVAL)], 3),
        ("trees", &[], 10),
    ] {
        let sweep = Sweep::without(scenario::all().into_iter().find(|s| s.name == name).unwrap(), lacks);
        let trace = sweep.undisturbed();
        for errno in [Errno::EIO, Errno::ENOENT].into_iter().take(if full() { 2 } else { 1 }) {
            let calls = sample_calls(&trace, one_in, |call| NAMING.contains(&call.name));
            let faults: Vec<Fault> = calls.into_iter().map(|n| Fault::LoseAnswer(n, errno)).collect();
            assert!(faults.len() > 8, "{name}: {:?}", trace.calls);
            let what = format!("{errno:?} from a call that was done, `{name}`");
            sweep
                .try_all(&faults, None)
                .settle(&what, &described(faults.len(), trace.calls.len()));
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
            found.settle(
                &format!("{name} answers {errno:?}"),
                &described(faults.len(), faults.len()),
            );
            assert_eq!(finished, faults.len(), "{name}, {errno:?}");
        }
    }
}

#[test]
fn no_such_file_in_the_middle_of_a_listing_is_not_an_empty_directory() {
    for scenario in [0, 2] {
        let sweep = Sweep::new(scenario::all().swap_remove(scenario));
        let all = sweep.undisturbed().listings;
        assert!(all > 8);
        for errno in [Errno::ENOENT, Errno::ESTALE] {
            let faults: Vec<Fault> = (1..=all).map(|n| Fault::FailListing(n, errno)).collect();
            let what = format!("{errno} from listings, `{}`", sweep.scenario.name);
            sweep.try_all(&faults, None).settle(&what, &format!("all {all}"));
        }
    }
}
