//! A kill at every call that changes something.
//!
//! Before each call, and half-way through each write: nothing is lost at that moment, and the next run puts
//! everything in order and finishes the job. The same for a crash within that recovery, and for SIGTERM.

use super::sample::{described, full, sample, sample_calls};
use super::scenario;
use super::sweep::Sweep;
use super::tracer::{Call, Fault, Trace};

/// Calls with their numbers.
fn numbered(trace: &Trace) -> impl Iterator<Item = (usize, &Call)> {
    (1..).zip(&trace.calls)
}

#[test]
fn a_kill_at_any_call_loses_nothing() {
    for scenario in scenario::all() {
        let sweep = Sweep::new(scenario);
        let trace = sweep.undisturbed();
        // The others make mostly the calls of the first.
        let one_in = if sweep.scenario.name == "expired" { 6 } else { 16 };
        let before = sample_calls(&trace, one_in, |_| true)
            .into_iter()
            .map(Fault::KillBefore);
        let torn = sample_calls(&trace, one_in, |call| call.tearable)
            .into_iter()
            .map(Fault::KillTorn);
        let faults: Vec<Fault> = before.chain(torn).collect();
        let all = trace.calls.len() + trace.calls.iter().filter(|call| call.tearable).count();
        let name = format!("kills, `{}`", sweep.scenario.name);
        sweep
            .try_all(&faults, None)
            .settle(&name, &described(faults.len(), all));
    }
}

#[test]
fn a_kill_within_the_recovery_loses_nothing() {
    let sweep = Sweep::new(scenario::all().swap_remove(0));
    let trace = sweep.undisturbed();
    // The first crash comes while files are being taken away: the recovery has the most to do then.
    let takes: Vec<usize> = numbered(&trace)
        .filter(|(_, call)| call.name.starts_with("unlink"))
        .map(|(n, _)| n)
        .collect();
    let firsts = if full() { takes } else { vec![takes[takes.len() / 2]] };
    for first in firsts {
        kills_after(&sweep, &trace, first, 12, "kills within a recovery");
    }
}

#[test]
fn a_kill_while_a_half_written_tree_is_removed_loses_nothing() {
    let sweep = Sweep::new(scenario::all().swap_remove(2));
    let trace = sweep.undisturbed();
    // The tree is whole and has its name, the copy does not count yet: the most there is to be removed.
    let (named, _) = numbered(&trace)
        .filter(|(_, call)| call.name == "renameat2")
        .nth(2)
        .unwrap();
    kills_after(&sweep, &trace, named, 16, "kills while a tree is removed");
}

/// Kills the run that comes after one that was killed before the call `first`.
fn kills_after(sweep: &Sweep, trace: &Trace, first: usize, one_in: usize, what: &str) {
    // The recovering run makes more calls than the plain one; beyond its last it is simply not disturbed.
    let all = 1..=trace.calls.len() * 5 / 4;
    let faults: Vec<Fault> = sample(all.clone(), one_in, |_| ())
        .into_iter()
        .map(Fault::KillBefore)
        .collect();
    let findings = sweep.try_all(&faults, Some(Fault::KillBefore(first)));
    findings.settle(what, &described(faults.len(), all.count()));
}

#[test]
fn a_polite_stop_at_any_call_loses_nothing() {
    for scenario in scenario::all() {
        let sweep = Sweep::new(scenario);
        let trace = sweep.undisturbed();
        let one_in = if sweep.scenario.name == "expired" { 12 } else { 48 };
        let calls = sample_calls(&trace, one_in, |_| true);
        let faults: Vec<Fault> = calls.into_iter().map(Fault::Terminate).collect();
        let name = format!("SIGTERM, `{}`", sweep.scenario.name);
        sweep
            .try_all(&faults, None)
            .settle(&name, &described(faults.len(), trace.calls.len()));
    }
}
