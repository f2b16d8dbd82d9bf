//! Back-off: a job that keeps failing is left alone for a while, longer each time, and then tried once.
//!
//! Takes the rule of the file and what became of the runs before, gives whether the job may run now. Pure: `now` is an
//! argument. Invariant: no job waits longer than twice the cool-down, however the clock is set; one success ends the back-off.

use super::command::grown;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `back-off after=3 wait="5s" factor=2.0 cap="1h"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackOff {
    /// Failed runs in a row that are put up with.
    pub after: u32,
    pub wait: Duration,
    /// By how much it grows with every failure more.
    pub factor: f64,
    pub cap: Duration,
}

/// The results of earlier runs. The default is for a job that never failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackOffState {
    /// Failed runs since the last success.
    pub failures: u32,
    pub opened: Option<DateTime<Utc>>,
    /// When it ends.
    pub open_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// As always.
    Run,
    Probe,
    Wait {
        until: DateTime<Utc>,
    },
}

impl BackOff {
    /// The cool-down after so many failed runs in a row, if there is one yet: `wait · factor^(failures - after)`, at
    /// most `cap`.
    pub fn cool_down(&self, failures: u32) -> Option<Duration> {
        let more = failures.checked_sub(self.after.max(1))?;
        Some(grown(self.wait, self.factor, more, self.cap))
    }
}

impl BackOffState {
    pub fn may_run(&self, now: DateTime<Utc>) -> Gate {
        let Some(until) = self.open_until else {
            return Gate::Run;
        };
        let cool_down = self.opened.map_or(TimeDelta::zero(), |opened| until - opened);
        let left = until - now;
        // More left than there can be: the clock was set back. One try too early does no harm; a job that waits for a
        // clock to catch up does.
        if left <= TimeDelta::zero() || left - cool_down > cool_down {
            Gate::Probe
        } else {
            Gate::Wait { until }
        }
    }

    /// What is to be remembered after a run.
    pub fn after(&self, rule: &BackOff, ok: bool, now: DateTime<Utc>) -> Self {
        if ok {
            return Self::default();
        }
        let failures = self.failures.saturating_add(1);
        let cool_down = rule.cool_down(failures);
        let end = |wait: Duration| now.checked_add_signed(TimeDelta::from_std(wait).ok()?);
        Self {
            failures,
            opened: cool_down.map(|_| now),
            open_until: cool_down.map(|wait| end(wait).unwrap_or(DateTime::<Utc>::MAX_UTC)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: BackOff = BackOff {
        after: 3,
        wait: Duration::from_secs(5),
        factor: 2.0,
        cap: Duration::from_secs(3600),
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn failed(times: u32, now: DateTime<Utc>) -> BackOffState {
        (0..times).fold(BackOffState::default(), |state, _| state.after(&RULE, false, now))
    }

    #[test]
    fn cool_downs_double_from_the_third_failure_up_to_the_cap() {
        let waits: Vec<Option<u64>> = (0..16).map(|n| RULE.cool_down(n).map(|wait| wait.as_secs())).collect();
        let expected = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600];
        assert_eq!(waits[..3], [None; 3]);
        assert_eq!(waits[3..], expected.map(Some));
        assert_eq!(RULE.cool_down(u32::MAX), Some(RULE.cap));
        let odd = BackOff {
            factor: f64::NAN,
            ..RULE
        };
        assert_eq!(odd.cool_down(9), Some(RULE.cap));
        // A rule for no failures at all means the first.
        assert_eq!(BackOff { after: 0, ..RULE }.cool_down(0), None);
        assert_eq!(BackOff { after: 0, ..RULE }.cool_down(1), Some(RULE.wait));
    }

    #[test]
    fn a_job_is_left_alone_and_then_tried_once() {
        assert_eq!(failed(2, at(0)).may_run(at(0)), Gate::Run);
        let open = failed(3, at(0));
        assert_eq!(open.may_run(at(0)), Gate::Wait { until: at(5) });
        assert_eq!(open.may_run(at(4)), Gate::Wait { until: at(5) });
        assert_eq!(open.may_run(at(5)), Gate::Probe);
        assert_eq!(open.may_run(at(5_000)), Gate::Probe);
        let again = open.after(&RULE, false, at(6));
        assert_eq!(again.may_run(at(15)), Gate::Wait { until: at(16) });
        assert_eq!(again.may_run(at(16)), Gate::Probe);
        assert_eq!(again.after(&RULE, true, at(17)), BackOffState::default());
        assert_eq!(BackOffState::default().may_run(at(17)), Gate::Run);
    }

    #[test]
    fn a_clock_set_back_does_not_prolong_the_wait() {
        let open = failed(10, at(0));
        let until = at(640);
        assert_eq!(open.may_run(at(-1)), Gate::Wait { until });
        assert_eq!(open.may_run(at(-640)), Gate::Wait { until });
        assert_eq!(open.may_run(at(-641)), Gate::Probe);
        assert_eq!(open.may_run(DateTime::<Utc>::MIN_UTC), Gate::Probe);
        let last = failed(3, DateTime::<Utc>::MAX_UTC);
        assert_eq!(last.may_run(DateTime::<Utc>::MAX_UTC), Gate::Probe);
        assert_eq!(last.may_run(DateTime::<Utc>::MIN_UTC), Gate::Probe);
    }

    #[test]
    fn a_state_reads_back() {
        let open = failed(4, at(0));
        let text = serde_json::to_string(&open).unwrap();
        assert_eq!(serde_json::from_str::<BackOffState>(&text).unwrap(), open);
    }
}
