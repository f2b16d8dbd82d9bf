//! What the daemon has to say, as values.
//!
//! Given to whoever listens ([`Voice`]): people read it as lines, an alert is made of some of it. Says nothing itself.
//! Invariant: a trouble is told when it begins, and when it is over, not each time that it is met again.

use crate::daemon::clock::Jump;
use crate::model::Model;
use crate::run::Event;
use crate::store::schedules::Decision;
use chrono::{DateTime, Utc};
use std::time::Duration;

#[derive(Debug)]
pub enum Told<'a> {
    Serving {
        model: &'a Model,
        schedules: usize,
        /// It took the place of another one.
        again: bool,
    },
    /// The ops file was read again and cannot be used: the plan before stays in force.
    Invalid {
        message: &'a str,
        /// The findings, for people; may be empty.
        findings: &'a str,
    },
    /// The ops file can be used again.
    Valid,
    Event {
        run: &'a str,
        event: &'a Event,
    },
    /// A run could not be done.
    NotDone {
        run: &'a str,
        message: &'a str,
        help: Option<&'a str>,
    },
    /// A run of a process that is gone was cut short.
    CutShort {
        run: &'a str,
        message: &'a str,
    },
    /// An alert did not arrive, or something else about alerts.
    Alerts(&'a str),
    Ended {
        run: &'a str,
    },
    /// A job that was due is not run now.
    NotRun(&'a Decision),
    Clock(Jump),
    /// The clock is behind what was decided about: until then nothing is due.
    Behind(Duration),
    /// The state cannot be used: nothing begins until it can.
    NoState {
        message: &'a str,
        help: Option<&'a str>,
    },
    State,
    /// Told to stop: nothing begins any more.
    Stopping {
        signal: u8,
        runs: usize,
    },
}

pub trait Voice {
    fn tell(&mut self, at: DateTime<Utc>, told: &Told<'_>);
}
