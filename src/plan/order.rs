//! Which step may begin next: edges, counted down.
//!
//! Takes the edges of jobs or steps, by number, and what settles; says which may begin. Pure: knows
//! neither what steps do nor what came of them (a step that will be blocked is due like any other).
//! Invariant: a step is given out once, and only after all that it needs or comes after is settled; of several the
//! first of the plan is given, so that one at a time means the plan's order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Debug)]
pub struct Order {
    /// By step: how many it waits for.
    waiting: Vec<usize>,
    awaited_by: Vec<Vec<usize>>,
    due: BinaryHeap<Reverse<usize>>,
    settled: Vec<bool>,
}

impl Order {
    /// Of steps, each with those that must be settled before.
    pub fn new(edges: impl Iterator<Item = Vec<usize>>) -> Self {
        let mut edges: Vec<Vec<usize>> = edges.collect();
        let count = edges.len();
        let mut awaited_by = vec![Vec::new(); count];
        for (step, before) in edges.iter_mut().enumerate() {
            before.sort_unstable();
            before.dedup();
            for other in before.iter() {
                if let Some(list) = awaited_by.get_mut(*other) {
                    list.push(step);
                }
            }
        }
        let waiting: Vec<usize> = edges.iter().map(Vec::len).collect();
        let due = waiting.iter().enumerate().filter(|(_, n)| **n == 0);
        Self {
            due: due.map(|(step, _)| Reverse(step)).collect(),
            waiting,
            awaited_by,
            settled: vec![false; count],
        }
    }

    /// The next step that may begin, if any may.
    pub fn begin_next(&mut self) -> Option<usize> {
        self.due.pop().map(|Reverse(step)| step)
    }

    /// A step is settled, with any outcome. A second call has no effect.
    pub fn settle(&mut self, step: usize) {
        match self.settled.get_mut(step) {
            Some(settled) if !*settled => *settled = true,
            _ => return,
        }
        for next in self.awaited_by.get(step).into_iter().flatten() {
            if let Some(left) = self.waiting.get_mut(*next) {
                *left -= 1;
                if *left == 0 {
                    self.due.push(Reverse(*next));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Edges from each step to some of those before it.
    fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
        proptest::collection::vec(proptest::collection::vec(any::<proptest::sample::Index>(), 0..4), 0..40).prop_map(
            |picks| {
                let edges = picks.iter().enumerate();
                let before = |step: usize, picks: &Vec<proptest::sample::Index>| match step {
                    0 => Vec::new(),
                    _ => picks.iter().map(|pick| pick.index(step)).collect(),
                };
                edges.map(|(step, picks)| before(step, picks)).collect()
            },
        )
    }

    proptest! {
        /// Whatever the order in which running steps end: every step is given out once, after all before it, and
        /// all get their turn.
        #[test]
        fn every_step_once_after_all_before_it(
            edges in graphs(),
            width in 1_usize..6,
            ends in proptest::collection::vec(any::<proptest::sample::Index>(), 60),
        ) {
            let mut order = Order::new(edges.iter().cloned());
            let mut running: Vec<usize> = Vec::new();
            let mut settled = vec![false; edges.len()];
            let mut given = vec![false; edges.len()];
            let mut ends = ends.iter().cycle();
            loop {
                while running.len() < width {
                    let Some(step) = order.begin_next() else { break };
                    prop_assert!(!given[step], "{step} twice");
                    prop_assert!(edges[step].iter().all(|before| settled[*before]), "{step} too early");
                    given[step] = true;
                    running.push(step);
                }
                if running.is_empty() {
                    break;
                }
                let ended = running.remove(ends.next().unwrap().index(running.len()));
                settled[ended] = true;
                order.settle(ended);
                order.settle(ended);
                prop_assert_eq!(&order.settled, &settled);
            }
            prop_assert!(given.iter().all(|given| *given));
        }

        /// One at a time is the plan's order.
        #[test]
        fn one_at_a_time_is_the_order_of_the_plan(edges in graphs()) {
            let count = edges.len();
            let mut order = Order::new(edges.into_iter());
            let mut given = Vec::new();
            while let Some(step) = order.begin_next() {
                given.push(step);
                order.settle(step);
            }
            prop_assert_eq!(given, (0..count).collect::<Vec<_>>());
        }
    }
}
