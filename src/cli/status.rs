//! `opsrun status`: what came of each job last, and whether everybody was told.
//!
//! Takes an ops file, gives a table or JSON on stdout. Touches nothing.
//! Invariant: ends with 1 when somebody has to look at a job, whatever else is fine.

use super::alerts::undelivered as shown;
use super::args::StatusArgs;
use super::exit::{Exit, Failure};
use super::file;
use super::plan::json;
use super::terminal::Terminal;
use crate::inspect::status::{Standing, standings};
use crate::launch::alerts;
use crate::model::JobName;
use crate::plan::Request;
use crate::report::alerts::{UndeliveredRow, undelivered_text};
use crate::report::schedule::status::{self, BackOffRow, JobRow, Last, document, status_text};
use crate::report::shared::output;
use crate::run::{Outcome, State};
use crate::store::{JobStatus, RunEnd};
use std::collections::HashSet;

pub fn run(args: &StatusArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, Some(&args.place), terminal)?;
    let paused: HashSet<JobName> = Request::default().paused(&model).into_iter().collect();
    let now = crate::clock::now();
    let standings = standings(&model, now)?.into_iter();
    let mut rows: Vec<JobRow> = standings.map(|standing| row(standing, &paused)).collect();
    status::sort(&mut rows);
    let undelivered: Vec<UndeliveredRow> = alerts::undelivered(&model)?.into_iter().map(shown).collect();
    let text = if args.json {
        json(&document(&model.ops.name, &rows, &undelivered, now))?
    } else {
        let jobs = status_text(&rows, now, model.ops.timezone, terminal.out);
        jobs + &undelivered_text(&undelivered, now, terminal.out)
    };
    output::to_stdout(&text)?;
    let bad = rows.iter().any(JobRow::is_bad);
    Ok(if bad { Exit::Failed } else { Exit::Done }.into())
}

fn row(Standing { job, standing, ahead }: Standing, paused: &HashSet<JobName>) -> JobRow {
    let ahead = ahead.unwrap_or_default();
    let JobStatus { last, begun } = standing;
    let mut row = JobRow {
        paused: paused.contains(&job),
        last: last.and_then(|last| {
            Some(Last {
                run: last.run,
                at: last.at,
                took: last.took,
                outcome: status::speaker(&last.outcomes)?,
            })
        }),
        running: None,
        next: ahead.next,
        back_off: ahead.left_alone.map(|left| BackOffRow {
            target: left.target.to_string(),
            failures: left.failures,
            until: left.until,
        }),
        overdue: ahead.overdue,
        job: job.to_string(),
    };
    match begun {
        None => {}
        Some(begun) if begun.end == RunEnd::GoingOn => row.running = Some((begun.run, begun.at)),
        Some(begun) => {
            row.last = Some(Last {
                run: begun.run,
                at: begun.at,
                took: None,
                outcome: Outcome {
                    state: State::Interrupted,
                    summary: "its run was cut short".to_owned(),
                    help: None,
                    details: Vec::new(),
                },
            });
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{BegunJob, JobResult};

    fn standing(state: State, begun: Option<RunEnd>) -> Standing {
        let outcome = Outcome {
            state,
            summary: "said".to_owned(),
            help: None,
            details: Vec::new(),
        };
        Standing {
            job: "target:t".parse().unwrap(),
            standing: JobStatus {
                last: Some(JobResult {
                    run: "A".to_owned(),
                    at: "2026-11-23T01:00:00Z".parse().unwrap(),
                    took: None,
                    outcomes: vec![("target:t".parse().unwrap(), outcome)],
                }),
                begun: begun.map(|end| BegunJob {
                    run: "B".to_owned(),
                    at: "2026-11-23T02:00:00Z".parse().unwrap(),
                    end,
                }),
            },
            ahead: None,
        }
    }

    #[test]
    fn what_began_later_counts_more() {
        let settled = row(standing(State::Ok, None), &HashSet::new());
        assert!(settled.running.is_none() && !settled.is_bad());
        let running = row(standing(State::Failed, Some(RunEnd::GoingOn)), &HashSet::new());
        assert_eq!(running.running.as_ref().unwrap().0, "B");
        assert!(running.is_bad());
        let cut = row(standing(State::Ok, Some(RunEnd::Interrupted)), &HashSet::new());
        assert_eq!(cut.last.as_ref().unwrap().outcome.state, State::Interrupted);
        assert!(cut.is_bad());
        assert!(
            !row(
                standing(State::Failed, None),
                &HashSet::from(["target:t".parse().unwrap()])
            )
            .is_bad()
        );
    }
}
