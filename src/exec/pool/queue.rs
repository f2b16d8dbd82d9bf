//! Who gets the next free slot: a decision over numbers.
//!
//! Takes requests of runs, and slots that become free; says whose request is granted. Pure: the pool and the simulation of
//! a load ask the same question. A run has at most one open request for each lane.
//! Invariant: no more slots of a lane are held than its size allows. Of the runs that wait, the one that holds the fewest
//! slots of the lane is next, so that a run with many steps keeps no other run out; of several the one that was due first.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    Work,
    Check,
}

impl Lane {
    pub const ALL: [Self; 2] = [Self::Work, Self::Check];
}

/// The place of a run among all runs of a pool: the one that was due first comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn {
    pub due: DateTime<Utc>,
    /// Counts up: of two runs that were due at once, the one that was claimed first.
    pub number: u64,
}

#[derive(Debug)]
pub struct SlotQueue<W> {
    /// Of each lane.
    size: usize,
    lanes: [LaneQueue<W>; 2],
}

#[derive(Debug)]
struct LaneQueue<W> {
    held: BTreeMap<Turn, usize>,
    requests: BTreeMap<Turn, W>,
}

impl<W> SlotQueue<W> {
    pub fn new(size: usize) -> Self {
        let empty = || LaneQueue {
            held: BTreeMap::new(),
            requests: BTreeMap::new(),
        };
        Self {
            size: size.max(1),
            lanes: [empty(), empty()],
        }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    /// Slots that are held stay held, also when there are fewer from now on.
    pub fn resize(&mut self, size: usize) {
        self.size = size.max(1);
    }

    pub fn request(&mut self, turn: Turn, lane: Lane, waiter: W) {
        self.lane(lane).requests.insert(turn, waiter);
    }

    pub fn withdraw(&mut self, turn: Turn, lane: Lane) {
        self.lane(lane).requests.remove(&turn);
    }

    pub fn release(&mut self, turn: Turn, lane: Lane) {
        let held = &mut self.lane(lane).held;
        match held.get_mut(&turn) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = held.remove(&turn),
        }
    }

    /// The next request that is granted; its slot is held from now on.
    pub fn grant(&mut self) -> Option<(Turn, Lane, W)> {
        let size = self.size;
        Lane::ALL.into_iter().find_map(|lane| {
            let (turn, waiter) = self.lane(lane).grant(size)?;
            Some((turn, lane, waiter))
        })
    }

    fn lane(&mut self, lane: Lane) -> &mut LaneQueue<W> {
        let [work, check] = &mut self.lanes;
        match lane {
            Lane::Work => work,
            Lane::Check => check,
        }
    }
}

impl<W> LaneQueue<W> {
    fn grant(&mut self, size: usize) -> Option<(Turn, W)> {
        if self.held.values().sum::<usize>() >= size {
            return None;
        }
        let held = |turn: &Turn| self.held.get(turn).copied().unwrap_or(0);
        let next = self.requests.keys().copied().min_by_key(|turn| (held(turn), *turn))?;
        let waiter = self.requests.remove(&next)?;
        *self.held.entry(next).or_default() += 1;
        Some((next, waiter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turn(due: i64) -> Turn {
        Turn {
            due: DateTime::from_timestamp(due, 0).unwrap(),
            number: 0,
        }
    }

    fn granted(queue: &mut SlotQueue<()>) -> Option<(i64, Lane)> {
        let (turn, lane, ()) = queue.grant()?;
        Some((turn.due.timestamp(), lane))
    }

    #[test]
    fn first_due_first_served() {
        let mut queue = SlotQueue::new(1);
        queue.request(turn(2), Lane::Work, ());
        queue.request(turn(1), Lane::Work, ());
        assert_eq!(granted(&mut queue), Some((1, Lane::Work)));
        assert_eq!(granted(&mut queue), None, "there is one slot");
        queue.release(turn(1), Lane::Work);
        queue.request(turn(1), Lane::Work, ());
        assert_eq!(
            granted(&mut queue),
            Some((1, Lane::Work)),
            "it holds none, and was due first"
        );
        queue.release(turn(1), Lane::Work);
        assert_eq!(granted(&mut queue), Some((2, Lane::Work)));
    }

    #[test]
    fn a_run_with_many_steps_keeps_no_other_out() {
        let mut queue = SlotQueue::new(2);
        queue.request(turn(1), Lane::Work, ());
        assert_eq!(granted(&mut queue), Some((1, Lane::Work)));
        queue.request(turn(1), Lane::Work, ());
        queue.request(turn(2), Lane::Work, ());
        assert_eq!(granted(&mut queue), Some((2, Lane::Work)));
        assert_eq!(granted(&mut queue), None);
    }

    #[test]
    fn checks_have_a_lane_of_their_own() {
        let mut queue = SlotQueue::new(1);
        queue.request(turn(1), Lane::Work, ());
        queue.request(turn(2), Lane::Check, ());
        queue.request(turn(3), Lane::Check, ());
        assert_eq!(granted(&mut queue), Some((1, Lane::Work)));
        assert_eq!(granted(&mut queue), Some((2, Lane::Check)));
        assert_eq!(granted(&mut queue), None);
        queue.withdraw(turn(3), Lane::Check);
        queue.release(turn(2), Lane::Check);
        assert_eq!(granted(&mut queue), None, "nobody waits");
    }

    #[test]
    fn fewer_slots_take_none_away() {
        let mut queue = SlotQueue::new(2);
        for due in 1..=3 {
            queue.request(turn(due), Lane::Work, ());
        }
        assert!(granted(&mut queue).is_some() && granted(&mut queue).is_some());
        queue.resize(1);
        queue.release(turn(1), Lane::Work);
        assert_eq!(granted(&mut queue), None);
        queue.release(turn(2), Lane::Work);
        assert_eq!(granted(&mut queue), Some((3, Lane::Work)));
    }

    #[derive(Debug, Clone, Copy)]
    enum Deed {
        Request(i64, bool),
        Withdraw(i64, bool),
        /// The oldest slot that is held.
        Release,
        Resize(usize),
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let run = || 0_i64..6;
        let deed = prop_oneof![
            4 => (run(), any::<bool>()).prop_map(|(run, check)| Deed::Request(run, check)),
            1 => (run(), any::<bool>()).prop_map(|(run, check)| Deed::Withdraw(run, check)),
            3 => Just(Deed::Release),
            1 => (1_usize..5).prop_map(Deed::Resize),
        ];
        proptest::collection::vec(deed, 0..80)
    }

    proptest! {
        /// Against lists of who holds and who waits: never more than allowed, no slot idle while a run waits for it, and the
        /// run that gets it has no better-placed other.
        #[test]
        fn slots_go_to_the_runs_that_hold_fewest(deeds in deeds(), size in 1_usize..5) {
            let mut queue = SlotQueue::new(size);
            let mut size = size;
            let mut held: Vec<(i64, Lane)> = Vec::new();
            let mut waiting: Vec<(i64, Lane)> = Vec::new();
            let lane = |check: bool| if check { Lane::Check } else { Lane::Work };
            for deed in deeds {
                match deed {
                    Deed::Request(run, check) => {
                        queue.request(turn(run), lane(check), ());
                        if !waiting.contains(&(run, lane(check))) {
                            waiting.push((run, lane(check)));
                        }
                    }
                    Deed::Withdraw(run, check) => {
                        queue.withdraw(turn(run), lane(check));
                        waiting.retain(|other| *other != (run, lane(check)));
                    }
                    Deed::Release if held.is_empty() => {}
                    Deed::Release => {
                        let (run, lane) = held.remove(0);
                        queue.release(turn(run), lane);
                    }
                    Deed::Resize(new) => {
                        size = new;
                        queue.resize(new);
                    }
                }
                while let Some((run, lane)) = granted(&mut queue) {
                    let mine = |of: i64| held.iter().filter(|other| **other == (of, lane)).count();
                    for (other, _) in waiting.iter().filter(|(_, other)| *other == lane) {
                        prop_assert!((mine(run), run) <= (mine(*other), *other));
                    }
                    prop_assert!(waiting.contains(&(run, lane)));
                    waiting.retain(|other| *other != (run, lane));
                    held.push((run, lane));
                    prop_assert!(held.iter().filter(|(_, other)| *other == lane).count() <= size);
                }
                for lane in Lane::ALL {
                    let full = held.iter().filter(|(_, other)| *other == lane).count() >= size;
                    prop_assert!(full || !waiting.iter().any(|(_, other)| *other == lane));
                }
            }
        }
    }
}
