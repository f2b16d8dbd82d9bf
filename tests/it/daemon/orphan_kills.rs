//! Killed at any moment, with what it left running, and an earlier state in between: a job never works twice at once, and
//! always works again.
//!
//! `OPSRUN_TEST_ORPHANS` says how often it is killed, `OPSRUN_TEST_SEED` when; few times are enough to see that it works at all.
//! The jobs themselves prove it: each holds a lock of its own while any of its processes lives.

use super::{Serve, until};
use crate::support::workspace::Workspace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const JOBS: [&str; 3] = ["skip", "queue", "replace"];

/// A process that the job starts inherits its lock, and works on when the first one is gone.
fn job(overlap: &str) -> String {
    let period = if overlap == "replace" { "1500ms" } else { "200ms" };
    format!(
        "target \"{overlap}\" {{\n shell \"\"\"\n\
         exec 9>>held-{overlap}\n\
         flock -n 9 || echo $$ >>twice-{overlap}\n\
         echo $$ >>starts-{overlap}\n\
         sleep $(($$ % 2)).$(($$ % 9 + 1)) &\n\
         wait\n\
         \"\"\"\n every \"{period}\"; overlap \"{overlap}\"; timeout \"1h\" kill-after=\"1s\"; }}\n"
    )
}

/// `splitmix64`: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |n| n.parse().unwrap())
}

fn due(world: &Workspace) -> Child {
    let mut due = world.command(&["apply", "--due", "--quiet"]);
    due.stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets it work for a random time, at most.
fn listen(serve: &mut Serve, random: &mut Random) {
    let (since, most) = (Instant::now(), Duration::from_millis(random.below(1500)));
    while let Ok(line) = serve.said.recv_timeout(most.saturating_sub(since.elapsed())) {
        serve.heard.push(line);
    }
}

/// Brings the state back to schema 5, as a version without locks wrote it.
fn bring_back(world: &Workspace) {
    let path = world.at(".opsrun/t/opsrun.db");
    let before = world.at("before.db");
    {
        let db = rusqlite::Connection::open(&before).unwrap();
        db.execute_batch(include_str!("state-v5.sql")).unwrap();
        db.execute("ATTACH ?1 AS present", [path.to_str().unwrap()]).unwrap();
        let names = |sql: &str| -> Vec<String> {
            let mut statement = db.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        db.execute_batch("BEGIN").unwrap();
        for table in names("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'") {
            let columns = names(&format!("SELECT name FROM pragma_table_info('{table}', 'main')")).join(", ");
            let copy = format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM present.{table}");
            db.execute(&copy, []).unwrap();
        }
        // The number, the start and the boot.
        let short =
            "substr(process, 1, instr(process, ' ') + instr(substr(process, instr(process, ' ') + 1), ' ') + 36)";
        db.execute(&format!("UPDATE runs SET process = {short}"), []).unwrap();
        db.execute_batch("COMMIT; PRAGMA user_version = 5;").unwrap();
        let id: i64 = db
            .query_row("PRAGMA present.application_id", [], |row| row.get(0))
            .unwrap();
        db.pragma_update(None, "application_id", id).unwrap();
    }
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(world.at(&format!(".opsrun/t/opsrun.db{suffix}")));
    }
    fs::rename(before, path).unwrap();
}

#[test]
fn killed_with_orphans_it_never_runs_a_job_twice_at_once() {
    let cycles = number("OPSRUN_TEST_ORPHANS", 12);
    let seed = number("OPSRUN_TEST_SEED", 11);
    println!("seed {seed}");
    let mut random = Random(seed);
    let world = Workspace::of_jobs(&JOBS.map(job).concat());
    let starts = || JOBS.map(|job| world.lines_of(&format!("starts-{job}")));
    let mut left = 0;
    for cycle in 0..cycles {
        if cycle == cycles / 2 {
            bring_back(&world);
            assert_eq!(world.count("SELECT user_version FROM pragma_user_version"), 5);
        }
        let mut serve = (random.below(4) > 0).then(|| world.serve());
        let mut by_cron = (serve.is_none() || random.below(3) == 0).then(|| due(&world));
        if let Some(serve) = &mut serve {
            listen(serve, &mut random);
        } else {
            // It ends by itself, or what a loaded machine makes of this moment.
            let most = Duration::from_millis(random.below(1500));
            let since = Instant::now();
            while since.elapsed() < most && by_cron.as_mut().unwrap().try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
        }
        drop(serve.map(Serve::kill));
        if let Some(mut due) = by_cron.take() {
            let _ = due.kill();
            due.wait().unwrap();
        }
        left += fs::read_dir(world.at(".opsrun/t/children")).map_or(0, Iterator::count);
        let twice = JOBS.map(|job| world.lines_of(&format!("twice-{job}")));
        assert_eq!(twice, [0; 3], "cycle {cycle} of seed {seed}");
        if cycle % 20 == 19 {
            works_again(&world);
        }
    }
    works_again(&world);
    assert_eq!(JOBS.map(|job| world.lines_of(&format!("twice-{job}"))), [0; 3]);
    let ran = "SELECT count(*) FROM decisions WHERE decision = 'ran'";
    let distinct =
        "SELECT count(*) FROM (SELECT DISTINCT job, schedule, instant FROM decisions WHERE decision = 'ran')";
    assert_eq!(world.count(ran), world.count(distinct), "no instant is run twice");
    let open = "SELECT count(*) FROM runs WHERE finished_at IS NULL AND interrupted_at IS NULL";
    assert_eq!(world.count(open), 0, "whatever was cut short is marked");
    let reasons =
        world.count("SELECT coalesce(sum(count), 0) FROM decisions WHERE reason LIKE '%left processes at work%'");
    println!(
        "{cycles} kills: {left} commands left, {reasons} instants decided about them, starts {:?}",
        starts()
    );
    assert!(left > 0, "no command was left running");
}

/// Every job begins again, however much is left of it; then all of it ends.
fn works_again(world: &Workspace) {
    let starts = || JOBS.map(|job| world.lines_of(&format!("starts-{job}")));
    let before = starts();
    let serve = world.serve();
    until(|| starts().iter().zip(before).all(|(now, before)| *now > before));
    serve.term();
    for job in JOBS {
        let pids = fs::read_to_string(world.at(&format!("starts-{job}"))).unwrap();
        let last: i32 = pids.lines().last().unwrap().parse().unwrap();
        until(|| {
            kill(Pid::from_raw(-last), None::<Signal>).is_err() || crate::support::workspace::is_gone(&last.to_string())
        });
    }
}
