//! Which events of a daemon's runs are news: what changed, and not that all is well.
//!
//! Takes the events of all runs, gives the lines to print. A run that holds checks only is printed once one of them has
//! changed, is bad since an hour, or something else happened; until then its lines are held back, and dropped at its end.
//! Runs with other jobs are printed as they happen.
//! Invariant: a check that gets worse, recovers or says something else is printed, and so is every run of another job.

use super::lines::{Detail, EventLines};
use crate::model::{StepKind, StepName};
use crate::report::shared::style::Style;
use crate::run::{Event, State};
use crate::time_zone::Zone;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// A check that is still bad is printed again after this.
const REMINDER: TimeDelta = TimeDelta::hours(1);

#[derive(Debug)]
pub struct RunNews {
    style: Style,
    detail: Detail,
    runs: BTreeMap<String, ActiveRun>,
    /// How each check ended the last time, and when that was printed.
    checks: BTreeMap<StepName, (State, DateTime<Utc>)>,
}

#[derive(Debug)]
struct ActiveRun {
    lines: EventLines,
    /// Lines that are not news yet; `None` once the run is news.
    held: Option<String>,
    /// A check in it is bad, as it was before.
    still_bad: bool,
}

impl RunNews {
    pub fn new(style: Style, detail: Detail) -> Self {
        Self {
            style,
            detail,
            runs: BTreeMap::new(),
            checks: BTreeMap::new(),
        }
    }

    /// The lines to print now; may be empty.
    pub fn lines(&mut self, run: &str, event: &Event, at: DateTime<Utc>, zone: &Zone) -> String {
        let news = self.is_news(run, event, at);
        let (style, detail) = (self.style, self.detail);
        let active = self.runs.entry(run.to_owned()).or_insert_with(|| ActiveRun {
            lines: EventLines::new(style, detail, zone),
            held: (detail < Detail::Verbose).then(String::new),
            still_bad: false,
        });
        let lines = active.lines.lines(event);
        match &mut active.held {
            None => lines,
            Some(held) => {
                held.push_str(&lines);
                if news {
                    active.held.take().unwrap_or_default()
                } else {
                    String::new()
                }
            }
        }
    }

    /// The run is over.
    pub fn ended(&mut self, run: &str) {
        self.runs.remove(run);
    }

    fn is_news(&mut self, run: &str, event: &Event, at: DateTime<Utc>) -> bool {
        match event {
            Event::RunStarted { overrides, .. } => !overrides.is_empty(),
            Event::StepStarted { step } => step.kind != StepKind::Check,
            Event::StepFinished { step, outcome } if step.kind == StepKind::Check => {
                let before = self.checks.get(step).copied();
                let well = outcome.state.opens() && outcome.state != State::Warning || outcome.state == State::Paused;
                let changed = before.map_or(!well, |(state, _)| state != outcome.state);
                let due = before.is_some_and(|(_, shown)| !(TimeDelta::zero()..REMINDER).contains(&(at - shown)));
                let news = changed || (!well && due);
                let shown = before.filter(|_| !news).map_or(at, |(_, shown)| shown);
                self.checks.insert(step.clone(), (outcome.state, shown));
                if let Some(active) = self.runs.get_mut(run) {
                    active.still_bad |= !well;
                }
                news
            }
            // A run that did not end well for another reason than a check that is known to be bad. A signal is printed by
            // itself.
            Event::RunFinished { exit, .. } => {
                (1..128).contains(exit) && self.runs.get(run).is_none_or(|active| !active.still_bad)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Outcome;

    struct Shown {
        news: RunNews,
        runs: i64,
    }

    impl Shown {
        fn of(detail: Detail) -> Self {
            Self {
                news: RunNews::new(Style::PLAIN, detail),
                runs: 0,
            }
        }

        /// What is printed of a run of these steps, at this minute.
        fn run(&mut self, minute: i64, steps: &[(&str, State)]) -> String {
            self.runs += 1;
            let run = format!("R{}", self.runs);
            let at = DateTime::from_timestamp(1_800_000_000 + 60 * minute, 0).unwrap();
            let started = Event::RunStarted {
                run: run.clone(),
                ops: "o".to_owned(),
                host: "h".to_owned(),
                digest: String::new(),
                zone_data: String::new(),
                overrides: Vec::new(),
                occurrences: Vec::new(),
            };
            let mut text = self.news.lines(&run, &started, at, &Zone::utc());
            for (step, state) in steps {
                let step: StepName = step.parse().unwrap();
                text += &self
                    .news
                    .lines(&run, &Event::StepStarted { step: step.clone() }, at, &Zone::utc());
                let outcome = Outcome::new(*state, "so");
                text += &self
                    .news
                    .lines(&run, &Event::StepFinished { step, outcome }, at, &Zone::utc());
            }
            let exit = u8::from(steps.iter().any(|(_, state)| !state.opens()));
            text += &self
                .news
                .lines(&run, &Event::RunFinished { exit, millis: 1 }, at, &Zone::utc());
            self.news.ended(&run);
            text
        }
    }

    #[test]
    fn a_check_that_stays_as_it_is_prints_nothing() {
        let mut shown = Shown::of(Detail::Normal);
        let (ok, bad) = (State::Ok, State::Critical);
        let printed = |text: String, state: &str| {
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 3, "{text}");
            assert!(lines[0].starts_with("run ") && lines[1].contains(state), "{text}");
        };
        assert_eq!(shown.run(0, &[("check:a", ok)]), "");
        assert_eq!(shown.run(1, &[("check:a", ok), ("check:b", State::Ok)]), "");
        printed(shown.run(2, &[("check:a", bad)]), "critical");
        assert_eq!(shown.run(3, &[("check:a", bad)]), "");
        printed(shown.run(4, &[("check:a", State::Warning)]), "warning");
        printed(shown.run(5, &[("check:a", bad)]), "critical");
        assert_eq!(shown.run(64, &[("check:a", bad)]), "");
        printed(shown.run(65, &[("check:a", bad)]), "critical");
        printed(shown.run(66, &[("check:a", ok)]), "ok");
        assert_eq!(shown.run(67, &[("check:a", ok)]), "");
        // The clock was set back.
        printed(shown.run(68, &[("check:a", bad)]), "critical");
        printed(shown.run(-9, &[("check:a", bad)]), "critical");
    }

    #[test]
    fn runs_of_other_jobs_and_all_that_is_asked_for_are_printed() {
        let mut shown = Shown::of(Detail::Normal);
        let both = shown.run(0, &[("check:a", State::Ok), ("target:b", State::Ok)]);
        assert!(both.contains("check:a") && both.contains("target:b"), "{both}");
        // A run that ended badly without a bad check.
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let text = shown
            .news
            .lines("R", &Event::RunFinished { exit: 73, millis: 1 }, at, &Zone::utc());
        assert!(text.contains("cannot write"), "{text}");
        assert_eq!(
            shown
                .news
                .lines("S", &Event::RunFinished { exit: 143, millis: 1 }, at, &Zone::utc()),
            ""
        );
        let mut verbose = Shown::of(Detail::Verbose);
        assert!(verbose.run(0, &[("check:a", State::Ok)]).contains("check:a"));
        let mut quiet = Shown::of(Detail::Quiet);
        assert_eq!(quiet.run(0, &[("target:b", State::Ok)]), "");
        assert!(quiet.run(1, &[("check:a", State::Critical)]).contains("check:a"));
        assert_eq!(quiet.run(2, &[("check:a", State::Critical)]), "");
    }
}
