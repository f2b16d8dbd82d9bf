//! `opsrun serve` and `apply --due`, through the binary: real schedules of fractions of a second, real children, real
//! signals.
//!
//! - [`alerts`]: who is told
//! - [`bad_days`]: kill -9, two at once, files and states that cannot be used
//! - [`clocks`]: clocks that run a hundredfold, step, and stand
//! - [`history`]: listed, and removed when it is old
//! - [`left_running`]: what a daemon that was killed left at work
//! - [`mixed_load`]: short jobs beside long ones, on a clock that runs a hundredfold
//! - [`orphan_kills`]: the same with random kills, many times over
//! - [`day`]: a day with a hundred jobs
//! - [`policies`]: overlap, back-off, missed instants
//! - [`signals`]: how it is stopped, told to read its file again, and what a service manager hears
//! - [`soak`]: many times over
//! - [`zone_data`]: new zone files while it runs
//!
//! Nothing sleeps: a test waits for what the daemon says or a child writes, and fails when that does not come.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, and plays the part of other programs"
)]

mod alerts;
mod bad_days;
mod clocks;
mod day;
mod history;
mod left_running;
mod mixed_load;
mod orphan_kills;
mod policies;
mod signals;
mod slots;
mod soak;
mod zone_data;

use crate::support::workspace::Workspace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

impl Workspace {
    /// Of an ops file with these jobs.
    fn of_jobs(jobs: &str) -> Self {
        Self::new(&with_name(jobs))
    }

    /// Replaces the jobs of the ops file.
    fn jobs(&self, jobs: &str) {
        self.ops(&with_name(jobs));
    }

    fn serve(&self) -> Serve {
        Serve::start(self.command(&["serve"]))
    }

    /// A pipe with a name, through which children say something: its lines.
    fn fifo(&self, name: &str) -> Receiver<String> {
        let path = self.at(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        // Open for writing, too: it never comes to an end.
        let file = fs::File::options().read(true).write(true).open(&path).unwrap();
        lines(file)
    }

    fn db(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.at(".opsrun/t/opsrun.db")).unwrap()
    }

    /// The first column of all rows, as text.
    fn rows(&self, sql: &str) -> Vec<String> {
        let db = self.db();
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn count(&self, sql: &str) -> i64 {
        self.db().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// How many lines a file has that children add to.
    fn lines_of(&self, path: &str) -> usize {
        fs::read_to_string(self.at(path)).unwrap_or_default().lines().count()
    }

    /// Every instant of `schedule` from the first that was decided about to the last has one decision about `job`.
    fn each_instant_once(&self, job: &str, period: Duration) {
        let db = self.db();
        let mut statement = db
            .prepare("SELECT instant, last, count, decision FROM decisions WHERE job = ?1 ORDER BY instant")
            .unwrap();
        let rows = statement.query_map([job], |row| {
            let moment = |column| {
                let text: String = row.get(column).unwrap();
                chrono::DateTime::parse_from_rfc3339(&text).unwrap().to_utc()
            };
            Ok((moment(0), moment(1), row.get::<_, u32>(2)?, row.get::<_, String>(3)?))
        });
        let mut last = None;
        for (first, until, count, verdict) in rows.unwrap().map(Result::unwrap) {
            if let Some(last) = last {
                assert_eq!(
                    first - last,
                    chrono::TimeDelta::from_std(period).unwrap(),
                    "{verdict} at {first}"
                );
            }
            assert_eq!(until, first + period * (count - 1), "{verdict} at {first}");
            last = Some(until);
        }
        assert!(last.is_some(), "nothing was decided");
    }
}

fn with_name(jobs: &str) -> String {
    format!("ops version=1 {{ name \"t\"; }}\n{jobs}")
}

fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn next(lines: &Receiver<String>) -> String {
    lines.recv_timeout(DEADLINE).unwrap()
}

/// Looks again and again, for what nobody tells.
fn until(there: impl Fn() -> bool) {
    let since = std::time::Instant::now();
    while !there() {
        assert!(since.elapsed() < DEADLINE, "it never came");
        thread::yield_now();
    }
}

/// A daemon.
struct Serve {
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
}

impl Serve {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = lines(child.stderr.take().unwrap());
        Self {
            child,
            said,
            heard: Vec::new(),
        }
    }

    /// Waits until it says something with `part` in it, and gives the line.
    fn says(&mut self, part: &str) -> String {
        // In all: one that says other things for ever is no answer.
        let since = std::time::Instant::now();
        loop {
            let Ok(line) = self.said.recv_timeout(DEADLINE.saturating_sub(since.elapsed())) else {
                panic!("`{part}` was never said:\n{}", self.heard.join("\n"));
            };
            self.heard.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for its end, and gives all that it said.
    fn ended(mut self, code: i32) -> String {
        while let Ok(line) = self.said.recv_timeout(DEADLINE) {
            self.heard.push(line);
        }
        let text = self.heard.join("\n");
        assert_eq!(self.child.wait().unwrap().code(), Some(code), "{text}");
        assert!(!text.contains("internal error"), "{text}");
        text
    }

    fn term(self) -> String {
        self.signal(Signal::SIGTERM);
        self.ended(143)
    }

    /// kill -9, and everything that it had said until then.
    fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.heard.extend(self.said.iter());
        self.heard.join("\n")
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
