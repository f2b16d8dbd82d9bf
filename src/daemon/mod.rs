//! The schedules of an ops file, run until a signal asks to stop.
//!
//! Takes a valid model and a way to read it again, gives an exit code. Runs go through the same launch as in
//! `apply`. One thread looks at the clock, decides and reports; every run that has begun has a thread of its own.
//! - [`timetable`]: when the jobs of a model run · [`tick`]: what is due at one moment, as a pure decision
//! - [`event_loop`]: the loop · [`claim`]: a decision, written to the store
//! - [`runs`]: the runs of the process · `waiting`: one that has not begun · `active_run`: one that has
//! - `adopt`: runs that an earlier process never began · [`run_due`]: one tick and its runs, for `apply --due`
//! - [`notice`]: what the daemon reports
//! - [`alert_thread`]: the thread that sends alerts · [`reload`]: changes of the ops file
//! - [`clock`]: sleep and steps of clocks · [`systemd`]: the service manager
//!
//! Invariant: nothing begins that is not claimed in the store, in the same transaction. Every other failure is reported
//! and tried again; only a signal ends the loop.

mod active_run;
mod adopt;
pub mod alert_thread;
pub mod claim;
pub mod clock;
pub mod event_loop;
pub mod notice;
pub mod reload;
pub mod run_due;
pub mod runs;
pub mod systemd;
pub mod tick;
pub mod timetable;
mod waiting;

pub use event_loop::serve;
