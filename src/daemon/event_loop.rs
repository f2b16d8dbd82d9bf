//! The loop of the daemon: looks at the clock, begins what is due, reports.
//!
//! Takes a valid model and a way to read it again, gives the exit code of the signal that ended it.
//! Invariant: nothing starts that is not claimed in the store, in the same transaction. Every other failure is reported and
//! retried; only a signal ends the loop.

use crate::alert::recorder::{report_clock, report_config, report_time};
use crate::clock::{ClockReading, Stopwatch, now};
use crate::daemon::adopt::adopt_unbegun;
use crate::daemon::alert_thread::AlertThread;
use crate::daemon::claim::{Taker, take_turn};
use crate::daemon::clock::{self, ClockView};
use crate::daemon::notice::{Notice, NoticeSubscriber};
use crate::daemon::reload::{FileChange, FileWatch, Reload};
use crate::daemon::runs::{ActiveRuns, RunOptions, RunWork};
use crate::daemon::systemd::ServiceManager;
use crate::daemon::tick::Tick;
use crate::daemon::timetable::Timetable;
use crate::error_chain::error_chain;
use crate::launch::prune::prune_step;
use crate::launch::served::{self, ServerMark};
use crate::launch::{LaunchError, job_ends, mark_interrupted};
use crate::model::Model;
use crate::path::shown;
use crate::run::{Outcome, Progress, State};
use crate::secret::Vault;
use crate::signal::Signals;
use crate::store::schedules::FiringVerdict;
use crate::store::{Store, StoreError};
use crate::units::plural;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long the loop sleeps at most, so that it notices changes of clocks and files.
const MAX_SLEEP: Duration = Duration::from_secs(5);
/// How soon a changing file is checked again.
const RECHECK: Duration = Duration::from_millis(500);
/// The first wait after the state could not be used. It doubles up to `LAST_RETRY`.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// How often a tick is repeated at once if another process was faster.
const MAX_TICKS: u32 = 5;
/// How often alerts that depend on time only are written: repetitions, and states that settled.
const ALERT_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is looked for what processes left that are gone.
const SETTLE_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is looked for history that is too old.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);
/// How soon the next step follows while there is more to remove, at least. It takes a tenth of the time at most.
const PRUNE_PAUSE: Duration = Duration::from_secs(1);
/// A smaller difference is not reported.
const MIN_BEHIND: Duration = Duration::from_secs(2);
/// How long after it was set back a clock counts as right again.
const CLOCK_CALM: Duration = Duration::from_secs(10 * 60);

/// Runs the schedules until a signal, and returns its exit code.
///
/// # Errors
/// A state that a later opsrun or another program created. A state that cannot be written is retried.
pub fn serve(
    model: Model,
    options: RunOptions,
    reload: &dyn Fn() -> Reload,
    signals: &Signals,
    subscriber: &mut dyn NoticeSubscriber,
) -> Result<u8, LaunchError> {
    let model = Arc::new(model);
    let mut daemon = Daemon {
        timetable: Timetable::new(&model),
        watch: FileWatch::new(&model.ops.files, &model.ops.zone_files),
        command: options.command.clone(),
        runs: ActiveRuns::new(&model, options, Some(signals.ring())),
        model,
        reload,
        signals,
        subscriber,
        store: None,
        manager: ServiceManager::find(),
        alert_thread: None,
        config: Some(valid_file()),
        clocks: None,
        clock_alert: Some(clock::right()),
        set_back: None,
        alerted: None,
        invalid: None,
        state_error: None,
        retry: FIRST_RETRY,
        failed: None,
        behind: false,
        stands_until: None,
        wake: None,
        marks: [None, None],
        settled: None,
        pruned: None,
        prune_pause: PRUNE_INTERVAL,
        shortened: true,
    };
    daemon.serve()
}

struct Daemon<'a> {
    model: Arc<Model>,
    timetable: Timetable,
    watch: FileWatch,
    /// The command line, for the history.
    command: String,
    reload: &'a dyn Fn() -> Reload,
    signals: &'a Signals,
    subscriber: &'a mut dyn NoticeSubscriber,
    store: Option<Store>,
    runs: ActiveRuns,
    alert_thread: Option<AlertThread>,
    /// The state of the ops file, until an alert about it is written.
    config: Option<Outcome>,
    /// The clocks at the last look.
    clocks: Option<ClockReading>,
    /// The state of the clock, until an alert about it is written.
    clock_alert: Option<Outcome>,
    /// Since when schedules go on from a clock that was set back.
    set_back: Option<Stopwatch>,
    /// When alerts that depend on time only were last written.
    alerted: Option<Stopwatch>,
    manager: ServiceManager,
    /// Why the current version of the file is not in force.
    invalid: Option<String>,
    /// Why the state cannot be used.
    state_error: Option<String>,
    /// How long to wait before the next attempt, and since when.
    retry: Duration,
    failed: Option<Stopwatch>,
    /// That the clock is behind was reported.
    behind: bool,
    /// Until when schedules wait for that.
    stands_until: Option<DateTime<Utc>>,
    wake: Option<DateTime<Utc>>,
    /// What shows other commands which state this process serves the file with.
    marks: [Option<ServerMark>; 2],
    /// When was last settled what other processes left.
    settled: Option<Stopwatch>,
    /// When old history was last removed, and the pause after that.
    pruned: Option<Stopwatch>,
    prune_pause: Duration,
    /// The file is as short as its content.
    shortened: bool,
}

impl Daemon<'_> {
    fn serve(&mut self) -> Result<u8, LaunchError> {
        if let Some(signal) = self.signals.stop.signal() {
            return Ok(self.stop(signal));
        }
        self.mark_file();
        self.tick()?;
        self.serving(false);
        self.manager.ready();
        loop {
            if let Some(signal) = self.signals.stop.signal() {
                return Ok(self.stop(signal));
            }
            let changing = self.check_files();
            self.handle_messages();
            self.tick()?;
            self.alerts();
            self.prune();
            self.manager.alive();
            self.status();
            self.signals.wait(self.pause(changing));
        }
    }

    /// Marks the file that is at its path now: editors replace files.
    fn mark_file(&mut self) {
        let [file, _] = &mut self.marks;
        *file = self.model.ops.files.first().and_then(|path| served::mark(path));
    }

    fn pause(&self, changing: bool) -> Duration {
        let mut pause = self.manager.pause(MAX_SLEEP);
        if changing {
            pause = pause.min(RECHECK);
        }
        if let Some(failed) = self.failed {
            pause = pause.min(self.retry.saturating_sub(failed.elapsed()));
        } else if let Some(wake) = self.wake {
            pause = pause.min((wake - now()).to_std().unwrap_or_default());
        }
        let until_pruning = |pruned: Stopwatch| self.prune_pause.saturating_sub(pruned.elapsed());
        pause.min(self.pruned.map_or(MAX_SLEEP, until_pruning).max(RECHECK))
    }

    /// Reports what the runs did.
    fn handle_messages(&mut self) {
        while let Some(message) = self.runs.next_message() {
            self.notify(&Notice::Run(&message));
        }
    }

    /// Reads the ops file again if it changed, or on SIGHUP. True while it may still be being written.
    fn check_files(&mut self) -> bool {
        let requested = self.signals.hung_up();
        match self.watch.check() {
            _ if requested => {}
            FileChange::Same => return false,
            FileChange::Changing => return true,
            FileChange::Changed => {}
        }
        self.manager.reloading();
        self.mark_file();
        // Before it is read: a change meanwhile is noticed the next time.
        self.watch.read_now();
        match (self.reload)() {
            Reload::Valid(model) if model.ops.state_dir != self.model.ops.state_dir => {
                let (from, to) = (shown(&self.model.ops.state_dir), shown(&model.ops.state_dir));
                self.refuse(
                    format!("it moves the state from `{from}` to `{to}`; restart opsrun for that"),
                    "",
                );
            }
            Reload::Valid(model) => {
                if self.invalid.take().is_some() {
                    self.notify(&Notice::Valid);
                    self.config = Some(valid_file());
                }
                let same = model.ops.digest == self.model.ops.digest && model.has_zones_of(&self.model);
                if requested || !same {
                    self.replace_model(model);
                }
            }
            Reload::Invalid { message, findings } => self.refuse(message, &findings),
        }
        self.manager.ready();
        false
    }

    fn replace_model(&mut self, model: Box<Model>) {
        self.timetable = Timetable::new(&model);
        self.runs.resize(&model);
        let relied_on = |model: &Model| (model.ops.files.clone(), model.ops.zone_files.clone());
        if relied_on(&model) != relied_on(&self.model) {
            self.watch = FileWatch::new(&model.ops.files, &model.ops.zone_files);
        }
        self.model = Arc::from(model);
        // Its channels may have changed.
        self.alert_thread = None;
        self.alerted = None;
        self.serving(true);
    }

    fn refuse(&mut self, message: String, findings: &str) {
        if self.invalid.as_ref() != Some(&message) {
            self.notify(&Notice::Invalid {
                message: &message,
                findings,
            });
            self.config = Some(Outcome {
                help: Some("fix it; until then the current ops file stays in force".to_owned()),
                ..Outcome::new(State::Failed, message.as_str())
            });
            self.invalid = Some(message);
        }
    }

    fn serving(&mut self, reloaded: bool) {
        let model = Arc::clone(&self.model);
        self.notify(&Notice::Serving {
            model: &model,
            schedules: self.timetable.entries.len(),
            reloaded,
        });
    }

    /// Starts what is due.
    fn tick(&mut self) -> Result<(), LaunchError> {
        if self.failed.is_some_and(|failed| failed.elapsed() < self.retry) {
            return Ok(());
        }
        match self.start_due() {
            Ok(()) => {
                self.failed = None;
                self.retry = FIRST_RETRY;
                if self.state_error.take().is_some() {
                    self.notify(&Notice::StateUsable);
                }
                Ok(())
            }
            Err(error @ (StoreError::Newer { .. } | StoreError::Foreign(_))) if self.runs.is_empty() => {
                Err(error.into())
            }
            Err(error) => {
                self.store = None;
                self.alert_thread = None;
                self.alerted = None;
                let message = error_chain(&error);
                if self.state_error.as_ref() != Some(&message) {
                    self.notify(&Notice::StateUnusable {
                        message: &message,
                        help: error.help(),
                    });
                    self.state_error = Some(message);
                }
                if self.failed.is_some() {
                    self.retry = (self.retry * 2).min(LAST_RETRY);
                }
                self.failed = Some(Stopwatch::set());
                Ok(())
            }
        }
    }

    fn open_store(&mut self) -> Result<Store, StoreError> {
        let store = Store::open(&self.model.ops.state_dir)?;
        let [_, state] = &mut self.marks;
        *state = served::mark_state(&self.model.ops.state_dir);
        self.settled = None;
        Ok(store)
    }

    /// Settles what another process did not finish: one before this, or one beside it that is gone.
    fn settle(&mut self, store: &Store) -> Result<(), StoreError> {
        job_ends::lost_attempts(&self.model, store)?;
        let adopt = &mut |adopted| self.runs.add(&self.model, &adopted);
        adopt_unbegun(&self.timetable, store, now(), adopt)?;
        let vault = Vault::expecting(self.model.values());
        for (run, message) in mark_interrupted(&self.model, store, &vault)? {
            let (run, message) = (run.as_str(), message.as_str());
            self.notify(&Notice::Interrupted { run, message });
        }
        self.settled = Some(Stopwatch::set());
        Ok(())
    }

    fn start_due(&mut self) -> Result<(), StoreError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => self.open_store()?,
        };
        if self.settled.is_none_or(|settled| settled.elapsed() >= SETTLE_INTERVAL) {
            self.settle(&store)?;
        }
        let store = self.store.insert(store);
        self.runs.write_ends(&self.model, store);
        for left in self.runs.revise(&self.model, &self.timetable, store)? {
            self.subscriber.notify(now(), &Notice::Skipped(&left));
        }
        // What has ended has made room: the reason of an instant that is skipped now does not name it.
        self.runs.begin_waiting(&mut begin_thread);
        for _ in 0..MAX_TICKS {
            let reading = ClockReading::take();
            let at = reading.wall;
            let steps = self.clocks.map(|before| clock::clock_steps(&before, &reading));
            let view = ClockView::new(&reading, steps.as_deref());
            let active = self.runs.active_jobs();
            let taken = take_turn(&self.timetable, store, Taker::Daemon(&active), view, &self.command)?;
            let Some(tick) = taken else { continue };
            // First of all: they are claimed, and what follows may fail.
            self.runs.replace(&tick.replaced);
            for claimed in &tick.turn.runs {
                self.runs.add(&self.model, claimed);
            }
            self.clocks = Some(reading);
            let steps = steps.unwrap_or_default();
            for step in &steps {
                self.subscriber.notify(at, &Notice::Clock(*step));
            }
            if clock::is_far_back(&steps) || !tick.set_back.is_empty() {
                store.due_after_clock_was_set_back(at)?;
            }
            self.wake = tick.wake;
            self.runs.begin_waiting(&mut begin_thread);
            self.runs.write_waits(store)?;
            let skipped = tick.turn.decisions.iter();
            for decision in skipped.filter(|decision| decision.verdict != FiringVerdict::ClockSetBack) {
                self.subscriber.notify(at, &Notice::Skipped(decision));
            }
            let behind = tick.behind.filter(|behind| *behind >= MIN_BEHIND);
            if let Some(behind) = behind.filter(|_| !self.behind) {
                self.subscriber.notify(at, &Notice::ClockBehind(behind));
            }
            self.behind = behind.is_some();
            self.judge_clock(&tick, at);
            return Ok(());
        }
        // Another process serves the same schedules.
        self.wake = now().checked_add_signed(TimeDelta::milliseconds(100));
        Ok(())
    }

    /// Whether schedules wait for the clock or begin again, for the alert about it.
    fn judge_clock(&mut self, tick: &Tick, at: DateTime<Utc>) {
        let stood = std::mem::replace(&mut self.stands_until, tick.stands_until);
        if let Some(outcome) = clock::set_back(&tick.set_back) {
            self.subscriber.notify(at, &Notice::ClockSetBack(&outcome.summary));
            self.set_back = Some(Stopwatch::set());
            self.clock_alert = Some(outcome);
        } else if let Some(until) = tick.stands_until {
            if stood.is_none() {
                self.clock_alert = Some(clock::stands_until(until, at));
            }
        } else if self.set_back.is_some_and(|since| since.elapsed() < CLOCK_CALM) {
            // Its alert has just been written.
        } else if self.set_back.take().is_some() || stood.is_some() {
            self.clock_alert = Some(clock::right());
        }
    }

    /// Writes alerts that belong to no run, and keeps the alert thread running.
    fn alerts(&mut self) {
        while let Some(report) = self.alert_thread.as_ref().and_then(AlertThread::next_report) {
            self.notify(&Notice::Alerts(&report));
        }
        let Some(store) = &self.store else { return };
        let due = self.alerted.is_none_or(|alerted| alerted.elapsed() >= ALERT_INTERVAL);
        if due || self.config.is_some() || self.clock_alert.is_some() {
            let vault = Vault::expecting(self.model.values());
            let config = |outcome| report_config(&self.model, store, &vault, outcome);
            let clock = |outcome| report_clock(&self.model, store, &vault, outcome);
            let written = self.config.as_ref().map_or(Ok(()), config);
            let written = written.and_then(|()| self.clock_alert.as_ref().map_or(Ok(()), clock));
            if written.and_then(|()| report_time(&self.model, store, &vault)).is_ok() {
                // After a failure, the next tick fails too and reports it.
                self.config = None;
                self.clock_alert = None;
            }
            self.alerted = Some(Stopwatch::set());
        }
        let ended = self.alert_thread.as_ref().is_none_or(AlertThread::is_finished);
        if due && ended && !self.model.channels.is_empty() {
            match AlertThread::begin(&self.model, self.signals.ring()) {
                Ok(thread) => self.alert_thread = Some(thread),
                Err(error) => self.notify(&Notice::Alerts(&format!("alerts cannot be sent: {error}"))),
            }
        }
    }

    /// Removes a little of the history that is too old.
    fn prune(&mut self) {
        let Some(store) = &self.store else { return };
        if self.pruned.is_some_and(|pruned| pruned.elapsed() < self.prune_pause) {
            return;
        }
        let since = Stopwatch::set();
        let step = prune_step(&self.model, store);
        if matches!(step, Ok(true)) {
            self.shortened = false;
        } else if !self.shortened {
            self.shortened = store.shorten().unwrap_or(false);
        }
        self.prune_pause = match (step, self.shortened) {
            (Ok(true), _) => PRUNE_PAUSE.max(since.elapsed() * 10),
            // Another process writes or reads, or the disk is full: that is reported elsewhere.
            (Err(_), _) | (Ok(false), false) => MAX_SLEEP,
            (Ok(false), true) => PRUNE_INTERVAL,
        };
        self.pruned = Some(Stopwatch::set());
    }

    /// Starts nothing more, asks every run to stop, and waits until their events are written.
    fn stop(&mut self, signal: u8) -> u8 {
        self.manager.stopping();
        self.notify(&Notice::Stopping {
            signal,
            runs: self.runs.len(),
        });
        self.runs.stop(signal);
        if let Some(store) = &self.store {
            // What cannot be written is known without it: such a run has recorded nothing.
            let _ = self.runs.leave_waiting(store);
        }
        loop {
            self.handle_messages();
            if self.runs.is_empty() {
                break;
            }
            self.manager.alive();
            self.signals.wait(self.manager.pause(MAX_SLEEP));
        }
        if let Some(store) = &self.store {
            self.runs.write_ends(&self.model, store);
        }
        if let Some(thread) = self.alert_thread.take() {
            for report in thread.end(&self.model) {
                self.notify(&Notice::Alerts(&report));
            }
        }
        128 + signal
    }

    fn status(&mut self) {
        let mut work = match (self.runs.len(), &self.state_error) {
            (_, Some(error)) => error.clone(),
            (0, None) => "idle".to_owned(),
            (runs, None) => plural(runs as u64, "active run", "active runs"),
        };
        if self.runs.waiting() > 0 {
            let waiting = plural(self.runs.waiting() as u64, "run waits", "runs wait");
            work = format!("{work}, {waiting}");
        }
        let invalid = self.invalid.as_ref();
        let invalid = invalid.map(|message| format!("cannot reload the ops file: {message}"));
        let next = self.wake.map(|wake| wake.to_rfc3339_opts(SecondsFormat::Secs, true));
        let next = next.map(|next| format!("next run: {next}"));
        let parts: Vec<String> = [Some(work), invalid, next].into_iter().flatten().collect();
        self.manager.status(parts.join("; "));
    }

    fn notify(&mut self, notice: &Notice<'_>) {
        self.subscriber.notify(now(), notice);
    }
}

fn begin_thread(work: RunWork) -> io::Result<()> {
    let work_of = |work: RunWork| work.carry_out(&mut |_| true, &NoProgress);
    let thread = thread::Builder::new().name(work.name());
    thread.spawn(move || work_of(work)).map(drop)
}

struct NoProgress;

impl Progress for NoProgress {}

fn valid_file() -> Outcome {
    Outcome::new(State::Ok, "the ops file is valid")
}
