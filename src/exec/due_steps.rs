//! The steps of a run that are due and wait for a slot.
//!
//! Takes steps by number with their lane, gives one with its slot as soon as the pool grants one. The first of the plan
//! comes first, so that one slot means the plan's order.
//! Invariant: a run asks for one slot of a lane at a time, and for none while no step of the lane is due.

use super::pool::{Lane, PoolMember, SlotRequest, StepSlot};
use crate::plan::StepId;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

pub(super) struct DueSteps<'a> {
    member: &'a PoolMember,
    lanes: [DueLane; 2],
}

struct DueLane {
    lane: Lane,
    steps: BTreeSet<StepId>,
    request: Option<SlotRequest>,
}

impl<'a> DueSteps<'a> {
    pub(super) fn new(member: &'a PoolMember) -> Self {
        let lanes = Lane::ALL.map(|lane| DueLane {
            lane,
            steps: BTreeSet::new(),
            request: None,
        });
        Self { member, lanes }
    }

    pub(super) fn add(&mut self, step: StepId, lane: Lane) {
        for due in self.lanes.iter_mut().filter(|due| due.lane == lane) {
            due.steps.insert(step);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|due| due.steps.is_empty())
    }

    /// Takes all of them out; nothing is asked for any more.
    pub(super) fn take_all(&mut self) -> BTreeSet<StepId> {
        let taken = self.lanes.iter_mut().flat_map(|due| {
            due.request = None;
            std::mem::take(&mut due.steps)
        });
        taken.collect()
    }

    /// A step whose slot is free now.
    pub(super) fn next_free(&mut self) -> Option<(StepId, StepSlot)> {
        self.lanes.iter_mut().find_map(|due| {
            let slot = due.request(self.member)?.take()?;
            due.granted(slot)
        })
    }

    /// Waits for the next step that gets a slot.
    pub(super) async fn next(&mut self) -> (StepId, StepSlot) {
        poll_fn(|context| {
            for due in &mut self.lanes {
                if let Poll::Ready(next) = due.poll(self.member, context) {
                    return Poll::Ready(next);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl DueLane {
    fn request(&mut self, member: &PoolMember) -> Option<&mut SlotRequest> {
        if self.steps.is_empty() {
            self.request = None;
            return None;
        }
        Some(self.request.get_or_insert_with(|| member.request(self.lane, None)))
    }

    fn granted(&mut self, slot: StepSlot) -> Option<(StepId, StepSlot)> {
        self.request = None;
        self.steps.pop_first().map(|step| (step, slot))
    }

    fn poll(&mut self, member: &PoolMember, context: &mut Context<'_>) -> Poll<(StepId, StepSlot)> {
        let Some(request) = self.request(member) else {
            return Poll::Pending;
        };
        match Pin::new(request).poll(context) {
            Poll::Ready(slot) => self.granted(slot).map_or(Poll::Pending, Poll::Ready),
            Poll::Pending => Poll::Pending,
        }
    }
}
