//! The same over and over: what is told survives any number of kill -9, and nothing grows with the number of runs.
//!
//! `OPSRUN_TEST_KILLS` and `OPSRUN_TEST_RUNS` say how often; few times are enough to see that it works at all.

use super::{Serve, until};
use crate::support::workspace::Workspace;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

fn times(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |n| n.parse().unwrap())
}

/// A channel that keeps what it is told, a line each, and targets that fail twice and are well from then on. Only the
/// newest run by a schedule; a few changes each are no flapping.
fn flips(newest: usize) -> String {
    let mut text =
        r#"channel "ops" { command "/bin/sh" "-c" "m=$(cat); printf '%s\\n' \"$m\" >> told"; timeout "2s"; }"#
            .to_owned();
    for n in 0..=newest {
        let schedule = if n + 3 > newest { r#"every "80ms";"# } else { "" };
        let _ = write!(
            text,
            "\ntarget \"flip-{n}\" {{ shell \"echo x >> runs-{n}; test $(wc -l < runs-{n}) -gt 2\"; {schedule} }}"
        );
    }
    text
}

/// What a key is to be told, as `kind severity`, from nothing but the events: until it changes so often that it flaps.
fn expected(world: &Workspace, key: &str) -> Vec<String> {
    let sql = format!(
        "SELECT coalesce(json ->> '$.outcome.state', 'begun') FROM events WHERE step = '{key}'
         AND kind IN ('step-started', 'step-finished') ORDER BY seq"
    );
    let mut results = Vec::new();
    let mut begun = false;
    for word in world.rows(&sql).into_iter().chain(["begun".to_owned()]) {
        if word != "begun" {
            results.push(word);
        } else if begun {
            results.push("interrupted".to_owned());
            continue;
        }
        begun = !begun;
    }
    let (mut bad, mut told) = (0, Vec::new());
    for result in results {
        let found = match &*result {
            "ok" => 0,
            "interrupted" => 1.max(bad),
            "failed" => 2,
            other => panic!("{key} is {other}"),
        };
        if found != bad {
            let kind = if found > 0 { "trouble" } else { "recovery" };
            told.push(format!(
                "{kind} {}",
                ["", "warning", "critical"][found.max(bad * usize::from(found == 0))]
            ));
        }
        bad = found;
    }
    told.truncate(4);
    told
}

#[test]
fn every_change_is_told_in_order_whenever_it_is_killed() {
    let cycles = times("OPSRUN_TEST_KILLS", 12);
    let world = Workspace::of_jobs(&flips(0));
    for cycle in 0..cycles {
        world.jobs(&flips(cycle));
        let mut serve = world.serve();
        serve.says("serving t");
        // Another moment each time: before it fails, while it does, when it is well again.
        match cycle % 4 {
            0 => {}
            1 => drop(serve.says("run  ")),
            2 => drop(serve.says(&format!("failed    target:flip-{cycle}"))),
            _ => drop(serve.says(&format!("ok        target:flip-{cycle}"))),
        }
        serve.kill();
    }
    // Whoever was killed with a message in its hands keeps it for less than a minute: that has passed.
    let released = "UPDATE outbox SET leased_until = '' WHERE state = 'pending' AND leased_until IS NOT NULL";
    let in_hands = world.db().execute(released, []).unwrap();
    let mut serve = world.serve();
    serve.says("serving t");
    serve.says(&format!("ok        target:flip-{}", cycles - 1));
    until(|| world.count("SELECT count(*) FROM outbox WHERE state = 'pending'") == 0);
    serve.term();

    let mut heard: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut twice = 0;
    for line in fs::read_to_string(world.at("told")).unwrap().lines() {
        // What was cut short on its way is told again.
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let word = |name: &str| message[name].as_str().unwrap().to_owned();
        let of_key = heard.entry(word("key")).or_default();
        if of_key.iter().any(|(id, _)| *id == word("id")) {
            twice += 1;
        } else {
            of_key.push((word("id"), format!("{} {}", word("kind"), word("severity"))));
        }
    }
    let mut changes = 0;
    for n in 0..cycles {
        let key = format!("target:flip-{n}");
        let told = heard.remove(&key).unwrap_or_default();
        let written = world.rows(&format!(
            "SELECT id FROM outbox WHERE channel = 'ops' AND key = '{key}' ORDER BY seq"
        ));
        let (ids, mut words): (Vec<String>, Vec<String>) = told.into_iter().unzip();
        assert_eq!(ids, written, "{key}: what was written, in its order");
        words.truncate(4);
        assert_eq!(words, expected(&world, &key), "{key}");
        changes += words.len();
    }
    assert!(heard.is_empty(), "{heard:?}");
    assert!(changes >= cycles, "{changes} changes");
    let lost = "SELECT count(*) FROM outbox WHERE channel = 'ops' AND state <> 'sent'";
    assert_eq!(world.count(lost), 0);
    println!("{cycles} kills: {changes} changes told, {twice} twice, {in_hands} in the hands of the killed");
}

/// Open files, threads and KiB in memory: the least of several looks, since runs come and go.
fn size(serve: &mut Serve) -> [usize; 3] {
    let mut least = [usize::MAX; 3];
    for _ in 0..8 {
        serve.says("ok        target:tick");
        let proc = format!("/proc/{}", serve.child.id());
        let files = fs::read_dir(format!("{proc}/fd")).unwrap().count();
        let status = fs::read_to_string(format!("{proc}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
        };
        for (least, now) in least.iter_mut().zip([files, number("Threads:"), number("VmRSS:")]) {
            *least = now.min(*least);
        }
    }
    least
}

#[test]
fn nothing_grows_with_the_number_of_runs() {
    let runs = times("OPSRUN_TEST_RUNS", 60);
    let world = Workspace::of_jobs(
        r#"
        channel "ops" { command "/bin/sh" "-c" "cat > /dev/null"; }
        target "tick" { command "true"; every "40ms"; }
        check "moody" { command "/bin/sh" "-c" "test -e well && rm well || { : > well; exit 1; }"; every "40ms"; }
        "#,
    );
    let mut serve = world.serve();
    for _ in 0..runs / 3 {
        serve.says("ok        target:tick");
    }
    let before = size(&mut serve);
    for _ in 0..runs - runs / 3 {
        serve.says("ok        target:tick");
    }
    let after = size(&mut serve);
    serve.term();
    println!("{runs} runs: files, threads, KiB: {before:?}, then {after:?}");
    assert!(
        after[0] <= before[0] + 6 && after[1] <= before[1] + 6,
        "{before:?} {after:?}"
    );
    assert!(after[2] <= before[2] + 4096, "{before:?} {after:?}");
}
