//! What the daemon reports, as values.
//!
//! Given to a [`NoticeSubscriber`], which prints lines.
//! Invariant: a problem is reported when it begins and when it is over, not each time that it is found again.

use crate::daemon::clock::ClockStep;
use crate::daemon::runs::RunMessage;
use crate::model::Model;
use crate::store::schedules::Decision;
use chrono::{DateTime, Utc};
use std::time::Duration;

#[derive(Debug)]
pub enum Notice<'a> {
    Serving {
        model: &'a Model,
        schedules: usize,
        /// It replaced an earlier version of the ops file.
        reloaded: bool,
    },
    /// The ops file changed and is invalid: the current version stays in force.
    Invalid {
        message: &'a str,
        /// The findings, for people; may be empty.
        findings: &'a str,
    },
    /// The ops file is valid again.
    Valid,
    Run(&'a RunMessage),
    /// A run of an earlier process was interrupted.
    Interrupted {
        run: &'a str,
        message: &'a str,
    },
    /// About the delivery of alerts.
    Alerts(&'a str),
    /// A job was due and is not run now.
    Skipped(&'a Decision),
    Clock(ClockStep),
    /// The clock is before instants already decided: nothing is due until it passes them.
    ClockBehind(Duration),
    /// The clock was set back too far to wait for it: what happens.
    ClockSetBack(&'a str),
    /// The state cannot be used: nothing starts until it can.
    StateUnusable {
        message: &'a str,
        help: Option<&'a str>,
    },
    StateUsable,
    /// A signal arrived: nothing starts any more.
    Stopping {
        signal: u8,
        runs: usize,
    },
}

pub trait NoticeSubscriber {
    fn notify(&mut self, at: DateTime<Utc>, notice: &Notice<'_>);
}
