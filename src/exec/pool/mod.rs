//! The slots for steps: how much a process does at once, over all its runs.
//!
//! Takes requests of runs for a slot, gives a [`StepSlot`], which is free again when it is dropped. Steps that work (targets,
//! backups, verifications, cleanups) share one lane. Checks have a lane of their own, of the same size: a long backup delays
//! no check.
//! - [`queue`]: whose request is granted, as a pure decision
//!
//! Invariant: a run that holds a slot waits at most for a check, and one with a slot for checks for nothing, so that no two runs
//! wait for each other.

pub mod queue;

pub use queue::{Lane, Turn};

use crate::signal::Ring;
use chrono::{DateTime, Utc};
use queue::SlotQueue;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::oneshot;

#[derive(Debug)]
pub struct StepPool {
    queue: Mutex<SlotQueue<Waiter>>,
    /// Checks share the lane of all other steps.
    in_order: bool,
    members: AtomicU64,
    /// Threads that all steps share which work with files.
    threads: usize,
    file_steps: AtomicUsize,
}

#[derive(Debug)]
struct Waiter {
    slot: oneshot::Sender<StepSlot>,
    ring: Option<Ring>,
}

impl StepPool {
    /// `steps` at once, and as many checks; `threads` for all that copies and proves.
    pub fn new(steps: usize, threads: usize) -> Arc<Self> {
        Self::with(steps, threads, false)
    }

    /// One step after the other, checks among them, and one thread.
    pub fn in_order() -> Arc<Self> {
        Self::with(1, 1, true)
    }

    fn with(steps: usize, threads: usize, in_order: bool) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(SlotQueue::new(steps)),
            in_order,
            members: AtomicU64::new(0),
            threads: threads.max(1),
            file_steps: AtomicUsize::new(0),
        })
    }

    /// The lane of checks.
    pub fn check_lane(&self) -> Lane {
        if self.in_order { Lane::Work } else { Lane::Check }
    }

    /// The number of steps at once.
    pub fn size(&self) -> usize {
        self.queue().size()
    }

    pub fn resize(self: &Arc<Self>, steps: usize) {
        let mut queue = self.queue();
        queue.resize(steps);
        self.grant(queue);
    }

    /// A new run, which was due then.
    pub fn member(self: &Arc<Self>, due: DateTime<Utc>) -> PoolMember {
        PoolMember {
            pool: Arc::clone(self),
            turn: Turn {
                due,
                number: self.members.fetch_add(1, Ordering::SeqCst),
            },
            kept: Mutex::new(None),
        }
    }

    /// Counts a step that works with files, until the result is dropped.
    pub fn begin_file_step(&self) -> FileStep<'_> {
        self.file_steps.fetch_add(1, Ordering::SeqCst);
        FileStep(self)
    }

    /// Threads for a step that works with files: its share when several do.
    pub fn threads_of_step(&self) -> usize {
        (self.threads / self.file_steps.load(Ordering::SeqCst).max(1)).max(1)
    }

    fn queue(&self) -> MutexGuard<'_, SlotQueue<Waiter>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn grant(self: &Arc<Self>, mut queue: MutexGuard<'_, SlotQueue<Waiter>>) {
        let mut granted = Vec::new();
        while let Some(next) = queue.grant() {
            granted.push(next);
        }
        // A slot that is dropped locks the queue.
        drop(queue);
        for (turn, lane, waiter) in granted {
            let pool = Arc::clone(self);
            // Where the request was withdrawn meanwhile, the slot comes back and is free again.
            let _ = waiter.slot.send(StepSlot { pool, turn, lane });
            if let Some(ring) = waiter.ring {
                ring.ring();
            }
        }
    }
}

/// A step that works with files.
#[derive(Debug)]
pub struct FileStep<'a>(&'a StepPool);

impl Drop for FileStep<'_> {
    fn drop(&mut self) {
        self.0.file_steps.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A run, as the pool knows it.
#[derive(Debug)]
pub struct PoolMember {
    pool: Arc<StepPool>,
    turn: Turn,
    /// The slot with which the run was begun, until its first step takes it.
    kept: Mutex<Option<StepSlot>>,
}

impl PoolMember {
    pub fn pool(&self) -> &StepPool {
        &self.pool
    }

    fn kept(&self) -> MutexGuard<'_, Option<StepSlot>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a slot. `ring` wakes a thread that cannot wait for it as a task. There may be one request for each lane.
    pub fn request(&self, lane: Lane, ring: Option<Ring>) -> SlotRequest {
        let (sender, receiver) = oneshot::channel();
        let request = SlotRequest {
            pool: Arc::clone(&self.pool),
            turn: self.turn,
            lane,
            receiver,
        };
        let kept = self.kept().take_if(|slot| slot.lane == lane);
        if let Some(slot) = kept {
            // The receiver is here.
            let _ = sender.send(slot);
        } else {
            let mut queue = self.pool.queue();
            queue.request(self.turn, lane, Waiter { slot: sender, ring });
            self.pool.grant(queue);
        }
        request
    }

    /// Keeps a slot for the first step that asks for one of its lane.
    pub fn keep(&self, slot: StepSlot) {
        *self.kept() = Some(slot);
    }

    /// Frees the slot that is kept, if it is of this lane: no step of the lane is due.
    pub fn let_go_of(&self, lane: Lane) {
        let kept = self.kept().take_if(|slot| slot.lane == lane);
        drop(kept);
    }

    /// Frees the slot that is kept: before the run waits for something else.
    pub fn let_go(&self) {
        let kept = self.kept().take();
        drop(kept);
    }
}

/// A request for a slot; dropped, it is withdrawn.
#[derive(Debug)]
pub struct SlotRequest {
    pool: Arc<StepPool>,
    turn: Turn,
    lane: Lane,
    receiver: oneshot::Receiver<StepSlot>,
}

impl SlotRequest {
    /// The slot, if it is granted by now.
    pub fn take(&mut self) -> Option<StepSlot> {
        self.receiver.try_recv().ok()
    }
}

impl Future for SlotRequest {
    type Output = StepSlot;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<StepSlot> {
        match Pin::new(&mut self.receiver).poll(context) {
            Poll::Ready(Ok(slot)) => Poll::Ready(slot),
            // A request that another one of the same run replaced is never granted.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for SlotRequest {
    fn drop(&mut self) {
        // What was granted meanwhile is dropped with the receiver.
        self.pool.queue().withdraw(self.turn, self.lane);
    }
}

/// The right to do one step.
#[derive(Debug)]
pub struct StepSlot {
    pool: Arc<StepPool>,
    turn: Turn,
    lane: Lane,
}

impl Drop for StepSlot {
    fn drop(&mut self) {
        let mut queue = self.pool.queue();
        queue.release(self.turn, self.lane);
        self.pool.grant(queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn a_slot_is_free_again_when_it_is_dropped() {
        let pool = StepPool::new(1, 1);
        let (first, second) = (pool.member(due(1)), pool.member(due(2)));
        let slot = first.request(Lane::Work, None).take().unwrap();
        let mut waiting = second.request(Lane::Work, None);
        assert!(waiting.take().is_none());
        drop(slot);
        assert!(waiting.take().is_some());
    }

    #[test]
    fn a_request_that_is_withdrawn_takes_no_slot() {
        let pool = StepPool::new(1, 1);
        let (first, second, third) = (pool.member(due(1)), pool.member(due(2)), pool.member(due(3)));
        let slot = first.request(Lane::Work, None).take().unwrap();
        let waiting = second.request(Lane::Work, None);
        let mut last = third.request(Lane::Work, None);
        drop(waiting);
        drop(slot);
        let slot = last.take().unwrap();
        // Granted, and not taken: it is free all the same.
        let granted = second.request(Lane::Work, None);
        drop(slot);
        drop(granted);
        assert!(third.request(Lane::Work, None).take().is_some());
    }

    #[test]
    fn a_kept_slot_is_for_the_first_step_of_its_lane() {
        let pool = StepPool::new(1, 1);
        let (first, second) = (pool.member(due(1)), pool.member(due(2)));
        let slot = first.request(Lane::Work, None).take().unwrap();
        first.keep(slot);
        let mut waiting = second.request(Lane::Work, None);
        assert!(first.request(Lane::Check, None).take().is_some());
        let step = first.request(Lane::Work, None).take().unwrap();
        first.keep(step);
        first.let_go_of(Lane::Check);
        assert!(waiting.take().is_none());
        first.let_go_of(Lane::Work);
        assert!(waiting.take().is_some());
    }

    #[test]
    fn threads_are_shared_by_the_steps_that_work_with_files() {
        let pool = StepPool::new(4, 4);
        let one = pool.begin_file_step();
        assert_eq!(pool.threads_of_step(), 4);
        let two = pool.begin_file_step();
        let three = pool.begin_file_step();
        assert_eq!(pool.threads_of_step(), 1);
        drop((two, three));
        assert_eq!(pool.threads_of_step(), 4);
        drop(one);
        assert_eq!(pool.threads_of_step(), 4);
    }
}
