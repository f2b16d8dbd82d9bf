//! Which of all points are tried: each in the full form, else a part that is spread over all kinds of them.
//!
//! Takes points with their kinds. The points of a kind are cut, in their order, into as many stretches as are to be
//! tried, and one point is taken of each stretch: no kind and no part of a run is left out. Which one depends on the
//! seed alone, so that a failure comes again.
//! `OPSRUN_FAULTS=full` takes every point; `OPSRUN_FAULTS_SEED` is another seed.

use super::tracer::{Call, Trace};
use std::collections::BTreeMap;

/// True when every point is to be tried.
pub fn full() -> bool {
    std::env::var_os("OPSRUN_FAULTS").is_some_and(|value| value == "full")
}

fn seed() -> u64 {
    std::env::var("OPSRUN_FAULTS_SEED").map_or(1, |seed| seed.parse().unwrap())
}

/// For the messages of a test: how many of how many, and how to choose them again.
pub fn described(tried: usize, all: usize) -> String {
    if full() {
        format!("all {all} cases")
    } else {
        format!("{tried} of {all} cases, OPSRUN_FAULTS_SEED={}", seed())
    }
}

/// About one of `one_in` of each kind, and at least one.
pub fn sample<T, K: Ord>(points: impl IntoIterator<Item = T>, one_in: usize, kind: impl Fn(&T) -> K) -> Vec<T> {
    let mut kinds: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for point in points {
        kinds.entry(kind(&point)).or_default().push(point);
    }
    let one_in = if full() { 1 } else { one_in };
    let mut random = seed();
    let mut taken = Vec::new();
    for points in kinds.into_values() {
        let (all, stretches) = (points.len(), points.len().div_ceil(one_in));
        let mut points = points.into_iter();
        for stretch in 0..stretches {
            let length = all * (stretch + 1) / stretches - all * stretch / stretches;
            let at = next(&mut random) as usize % length;
            taken.extend(points.by_ref().take(length).nth(at));
            // `nth` leaves the rest of the stretch.
            points.by_ref().take(length - at - 1).for_each(drop);
        }
    }
    taken
}

/// The numbers of about one of `one_in` of the calls of each name and each kind of file, where they are `wanted`.
pub fn sample_calls(trace: &Trace, one_in: usize, wanted: impl Fn(&Call) -> bool) -> Vec<usize> {
    let calls = (1..).zip(&trace.calls).filter(|(_, call)| wanted(call));
    let taken = sample(calls, one_in, |(_, call)| (call.name, &call.file_kind));
    taken.into_iter().map(|(number, _)| number).collect()
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn a_sample_has_every_kind_and_every_stretch() {
    let points = (0..1000).map(|n| (n, if n == 500 { "rare" } else { ["a", "b"][n % 2] }));
    let taken = sample(points.clone(), 10, |(_, kind)| *kind);
    if full() {
        return assert_eq!(taken.len(), 1000);
    }
    assert!(taken.contains(&(500, "rare")));
    for kind in ["a", "b"] {
        let of_kind: Vec<usize> = taken.iter().filter(|(_, k)| *k == kind).map(|(n, _)| *n).collect();
        assert_eq!(of_kind.len(), 50);
        for (stretch, n) in of_kind.iter().enumerate() {
            // The rare point moves the stretches of its neighbours by up to one point.
            let stretch = (stretch * 20).saturating_sub(2)..stretch * 20 + 22;
            assert!(stretch.contains(n), "{stretch:?}: {n}");
        }
    }
    assert_eq!(taken, sample(points, 10, |(_, kind)| *kind));
}
