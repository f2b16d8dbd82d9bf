//! What becomes of runs for which the system has no room.

use super::*;
use crate::config;
use crate::store::schedules::FiringVerdict;
use std::path::Path;

fn claimed(job: &str) -> ScheduledRun {
    let decision = Decision {
        job: format!("target:{job}").parse().unwrap(),
        schedule: "s".to_owned(),
        first: "2026-11-25T12:00:00Z".parse().unwrap(),
        last: "2026-11-25T12:00:00Z".parse().unwrap(),
        count: 1,
        more: false,
        verdict: FiringVerdict::Ran,
        reason: "it was due".to_owned(),
    };
    ScheduledRun {
        run: job.to_owned(),
        occurrences: vec![decision.occurrence()],
        jobs: vec![decision],
    }
}

#[test]
fn a_run_for_which_there_is_no_thread_waits_for_the_end_of_another_and_fails_without_one() {
    let jobs = ["a", "b", "c"].map(|job| format!("target \"{job}\" {{ command \"true\"; schedule \"s\"; }}\n"));
    let text = format!(
        "ops {{ name \"x\"; concurrency 9; }}\nschedule \"s\" {{ every \"1h\"; }}\n{}",
        jobs.concat()
    );
    let loaded = config::load_text(Path::new("/srv/ops.kdl"), text.into_bytes());
    let model = Arc::new(loaded.model.unwrap());
    let options = RunOptions {
        threads: None,
        lock_wait: Duration::ZERO,
        command: "opsrun serve".to_owned(),
    };
    let mut runs = ActiveRuns::new(&model, options, None);
    let limit = || Err(io::Error::from_raw_os_error(nix::libc::EAGAIN));
    for job in ["a", "b", "c"] {
        runs.add(&model, &claimed(job));
    }
    let (mut asked, mut held) = (Vec::new(), Vec::new());
    runs.begin_waiting(&mut |work| {
        asked.push(work.run.clone());
        held.push(work);
        if held.len() == 1 { Ok(()) } else { limit() }
    });
    assert_eq!(asked, ["a", "b"], "after the first failure it asks no more");
    assert_eq!((runs.len(), runs.waiting()), (1, 2));
    let waits = runs.waiting.iter().map(|run| run.awaited.clone().unwrap_or_default());
    let waits: Vec<String> = waits.collect();
    assert!(waits[0].starts_with("the end of another run, since "), "{waits:?}");

    // Its end, and there is room again.
    drop(held);
    let (run, exit) = ("a".to_owned(), 0);
    runs.follow(&RunMessage::Ended {
        run,
        exit,
        failure: None,
    });
    let mut begun = Vec::new();
    runs.begin_waiting(&mut |work| {
        begun.push(work.run.clone());
        Ok(())
    });
    assert_eq!((begun, runs.waiting()), (vec!["b".to_owned(), "c".to_owned()], 0));

    for run in ["b", "c"] {
        let run = run.to_owned();
        runs.follow(&RunMessage::Ended {
            run,
            exit,
            failure: None,
        });
    }
    runs.add(&model, &claimed("a"));
    runs.begin_waiting(&mut |_| limit());
    let Some(RunMessage::Ended {
        failure: Some(failure), ..
    }) = runs.next_message()
    else {
        panic!("it did not fail")
    };
    assert!(
        failure.message.starts_with("cannot start a run: "),
        "{}",
        failure.message
    );
}
