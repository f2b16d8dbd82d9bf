//! What a job waits for that is due.
//!
//! Takes the runs without an end, as any process finds them in the store; gives what one job waits for in one of them. Pure.
//! Invariant: a job that has begun, or has ended, waits for nothing.

use crate::launch;
use crate::model::{Job, JobName, Model};
use crate::report::schedule::status::WaitRow;
use crate::store::unbegun::{NEXT_START, OpenRun, UNKNOWN_WAIT};

pub fn waiting(model: &Model, open: &[OpenRun], job: &JobName) -> Option<WaitRow> {
    let waits = |run: &&OpenRun| run.due.contains_key(job) && !run.started.contains(job);
    // What has begun in a process that is gone was cut short.
    let open = open.iter().find(|run| waits(run) && (run.alive || !run.begun))?;
    let mut jobs = model.jobs();
    let needed = jobs.find(|known| known.name() == *job).as_ref().map(Job::needs);
    let mut needed = needed.unwrap_or_default().into_iter();
    let needs = needed.find(|need| open.begun && !open.settled.contains(need));
    let awaited = match (&needs, &open.reason) {
        (Some(need), _) => format!("{need}, which it needs"),
        (None, _) if !open.alive => NEXT_START.to_owned(),
        (None, _) if open.begun => format!("a slot (`concurrency` {})", launch::steps(model, None)),
        (None, Some(reason)) => reason.clone(),
        (None, None) => UNKNOWN_WAIT.to_owned(),
    };
    Some(WaitRow {
        run: open.run.clone(),
        instant: open.due.get(job)?.instant,
        since: open.claimed_at,
        awaited,
        needs: needs.map(|need| need.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::run::Occurrence;
    use std::path::Path;

    fn model() -> Model {
        let text = r#"
            ops { name "x"; concurrency 2; }
            schedule "s" { every "1m"; }
            target "dump" { command "true"; schedule "s"; }
            target "t" { command "true"; schedule "s"; needs "target:dump"; }
        "#;
        let loaded = config::load_text(Path::new("/srv/ops.kdl"), text.as_bytes().to_vec());
        loaded.model.unwrap()
    }

    fn job(name: &str) -> JobName {
        name.parse().unwrap()
    }

    fn open() -> OpenRun {
        let instant = "2026-11-25T12:00:00Z".parse().unwrap();
        let occurrence = Occurrence {
            schedule: "s".to_owned(),
            instant,
        };
        OpenRun {
            run: "01JD".to_owned(),
            claimed_at: instant,
            alive: true,
            begun: false,
            due: [(job("target:t"), occurrence)].into(),
            started: [].into(),
            settled: [].into(),
            reason: None,
        }
    }

    fn awaited(open: OpenRun) -> Option<(String, Option<String>)> {
        let found = waiting(&model(), &[open], &job("target:t"))?;
        Some((found.awaited, found.needs))
    }

    #[test]
    fn a_due_job_says_what_it_waits_for() {
        let of = |text: &str| Some((text.to_owned(), None));
        assert_eq!(awaited(open()), of("its turn"));
        let said = OpenRun {
            reason: Some("target:dump, which run 01JC has locked".to_owned()),
            ..open()
        };
        assert_eq!(awaited(said.clone()), of("target:dump, which run 01JC has locked"));
        let left = OpenRun { alive: false, ..said };
        assert_eq!(awaited(left), of("the next start of opsrun"));
        let begun = OpenRun { begun: true, ..open() };
        let need = Some("target:dump".to_owned());
        assert_eq!(
            awaited(begun.clone()),
            Some(("target:dump, which it needs".to_owned(), need))
        );
        let dumped = OpenRun {
            settled: [job("target:dump")].into(),
            ..begun.clone()
        };
        assert_eq!(awaited(dumped.clone()), of("a slot (`concurrency` 2)"));
        let started = OpenRun {
            started: [job("target:t")].into(),
            ..dumped.clone()
        };
        assert_eq!(awaited(started), None);
        let cut = OpenRun { alive: false, ..dumped };
        assert_eq!(awaited(cut), None);
    }
}
