//! A kill at every call that changes something.
//!
//! Before each call, and half-way through each write: nothing is lost at that moment, and the next run puts
//! everything in order and finishes the job. The same for a crash within that recovery, and for SIGTERM.
//! `OPSRUN_FAULTS=full` tries every point where the plain run tries a part: SIGTERM everywhere, and recovery
//! after every crash point of the cleanup.

use super::scenario;
use super::sweep::Sweep;
use super::tracer::{Fault, Trace};

fn full() -> bool {
    std::env::var_os("OPSRUN_FAULTS").is_some_and(|v| v == "full")
}

fn kills(trace: &Trace) -> Vec<Fault> {
    let calls = (1..).zip(&trace.calls);
    let before = calls.clone().map(|(n, _)| Fault::KillBefore(n));
    let torn = calls.filter(|(_, call)| call.tearable).map(|(n, _)| Fault::KillTorn(n));
    before.chain(torn).collect()
}

#[test]
fn a_kill_at_any_call_loses_nothing() {
    for scenario in scenario::all() {
        let sweep = Sweep::new(scenario);
        let trace = sweep.undisturbed();
        let mut faults = kills(&trace);
        if sweep.scenario.name == "trees" && !full() {
            // Before and after the tree is written the calls are those of the other scenarios.
            let position = |nth: usize, name: &str| (1..).zip(&trace.calls).filter(|(_, c)| c.name == name).nth(nth);
            let begin = position(0, "symlinkat").map_or(0, |(n, _)| n);
            let end = position(3, "renameat2").map_or(usize::MAX, |(n, _)| n);
            let near = begin.saturating_sub(30)..=end.saturating_add(3);
            faults.retain(|fault| fault.at().is_some_and(|n| near.contains(&n) || n % 6 == 0));
        }
        // What the first scenario does not do, the others do in between.
        let stride = match sweep.scenario.name {
            _ if full() => 1,
            "all" | "jobs" => 4,
            "trees" => 2,
            _ => 1,
        };
        faults.retain(|fault| fault.at().is_some_and(|n| n % stride == 0));
        let name = format!("kills, `{}`", sweep.scenario.name);
        sweep.try_all(&faults, None).settle(&name, faults.len());
    }
}

#[test]
fn a_kill_within_the_recovery_loses_nothing() {
    let sweep = Sweep::new(scenario::all().swap_remove(0));
    let trace = sweep.undisturbed();
    // The first crash comes while files are being taken away: the recovery has the most to do then.
    let takes: Vec<usize> = (1..)
        .zip(&trace.calls)
        .filter(|(_, call)| call.name.starts_with("unlink"))
        .map(|(n, _)| n)
        .collect();
    let step = if full() { 1 } else { takes.len().max(1) };
    for first in takes.iter().skip(takes.len() / 2 % step).step_by(step) {
        let first = Fault::KillBefore(*first);
        // The recovering run makes more calls than the plain one; beyond its last it is simply not disturbed.
        let stride = if full() { 1 } else { 4 };
        let faults: Vec<Fault> = (1..=trace.calls.len() * 5 / 4)
            .step_by(stride)
            .map(Fault::KillBefore)
            .collect();
        sweep
            .try_all(&faults, Some(first))
            .settle("kills within a recovery", faults.len());
    }
}

#[test]
fn a_kill_while_a_half_written_tree_is_removed_loses_nothing() {
    let sweep = Sweep::new(scenario::all().swap_remove(2));
    let calls = sweep.undisturbed().calls;
    // The tree is whole and has its name, the copy does not count yet: the most there is to be removed.
    let named = (1..)
        .zip(&calls)
        .filter(|(_, call)| call.name == "renameat2")
        .nth(2)
        .unwrap();
    let stride = if full() { 1 } else { 12 };
    let faults: Vec<Fault> = (1..=calls.len()).step_by(stride).map(Fault::KillBefore).collect();
    sweep
        .try_all(&faults, Some(Fault::KillBefore(named.0)))
        .settle("kills while a tree is removed", faults.len());
}

#[test]
fn a_polite_stop_at_any_call_loses_nothing() {
    for scenario in scenario::all() {
        let sweep = Sweep::new(scenario);
        let calls = sweep.undisturbed().calls.len();
        let step = match sweep.scenario.name {
            _ if full() => 1,
            "expired" => 4,
            _ => 16,
        };
        let faults: Vec<Fault> = (1..=calls).step_by(step).map(Fault::Terminate).collect();
        let name = format!("SIGTERM, `{}`", sweep.scenario.name);
        sweep.try_all(&faults, None).settle(&name, faults.len());
    }
}
