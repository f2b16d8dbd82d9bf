//! What the daemon has to say, as values.
//!
//! Given to whoever listens ([`Voice`]): people read it as lines, an alert is made of some of it. Says nothing itself.
//! Invariant: a trouble is told when it begins, and when it is over, not each time that it is met again.

use super::clock::Jump;
use crate::model::Model;
use crate::run::Event;
use crate::store::claims::Decision;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// Something to say.
#[derive(Debug)]
pub enum Told<'a> {
    /// The plan is in force.
    Serving {
        /// What was read.
        model: &'a Model,
        /// Schedules that jobs run by.
        schedules: usize,
        /// It took the place of another one.
        again: bool,
    },
    /// The ops file was read again and cannot be used: the plan before stays in force.
    Invalid {
        /// What is wrong, in one line.
        message: &'a str,
        /// The findings, for people; may be empty.
        findings: &'a str,
    },
    /// The ops file can be used again.
    Valid,
    /// Something happened in a run.
    Event {
        /// The run.
        run: &'a str,
        /// What.
        event: &'a Event,
    },
    /// A run could not be done.
    NotDone {
        /// The run.
        run: &'a str,
        /// What went wrong.
        message: &'a str,
        /// What to try next.
        help: Option<&'a str>,
    },
    /// A run of a process that is gone was cut short.
    CutShort {
        /// The run.
        run: &'a str,
        /// What may still be running.
        message: &'a str,
    },
    /// An alert did not arrive, or something else about alerts.
    Alerts(&'a str),
    /// A run is over.
    Ended {
        /// The run.
        run: &'a str,
    },
    /// A job that was due is not run now.
    NotRun(&'a Decision),
    /// The clocks did something.
    Clock(Jump),
    /// The clock is behind what was decided about: until then nothing is due.
    Behind(Duration),
    /// The state cannot be used: nothing begins until it can.
    NoState {
        /// What went wrong.
        message: &'a str,
        /// What to try next.
        help: Option<&'a str>,
    },
    /// The state can be used again.
    State,
    /// Told to stop: nothing begins any more.
    Stopping {
        /// By which signal.
        signal: u8,
        /// Runs that are asked to stop.
        runs: usize,
    },
}

/// Listens.
pub trait Voice {
    /// Hears something.
    fn tell(&mut self, at: DateTime<Utc>, told: &Told<'_>);
}
