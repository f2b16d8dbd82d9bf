//! The loop of the daemon: looks at the clock, begins what is due, reports.
//!
//! Takes a valid model and a way to read it again, gives the exit code of the signal that ended it.
//! Invariant: nothing begins that is not claimed in the store, in the same transaction. Every other failure is reported
//! and tried again; only a signal ends the loop.

use crate::alert::recorder::{report_config, report_time};
use crate::clock::{Mark, Reading, now};
use crate::daemon::alert_thread::Sending;
use crate::daemon::claim::take_turn;
use crate::daemon::clock;
use crate::daemon::notice::{Told, Voice};
use crate::daemon::reload::{Reread, Seen, Watch};
use crate::daemon::runs::{Happened, How, Runs};
use crate::daemon::systemd::Manager;
use crate::daemon::timetable::Book;
use crate::error_chain::error_chain;
use crate::launch::{LaunchError, mark_interrupted, settle};
use crate::model::Model;
use crate::run::{Outcome, State};
use crate::secret::Vault;
use crate::signal::Signals;
use crate::store::{Store, StoreError};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::sync::Arc;
use std::time::Duration;

/// How long the loop sleeps at most: what happens to clocks and files is seen after that.
const SLICE: Duration = Duration::from_secs(5);
/// How soon a file that changes is looked at again.
const SETTLING: Duration = Duration::from_millis(500);
/// The first wait after the state could not be used; it doubles.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// How often a turn is decided anew at once when somebody else was faster.
const TURNS: u32 = 5;
/// How often what time alone makes due is told: repetitions, and what has settled.
const TICK: Duration = Duration::from_secs(10);
/// A clock that is behind by less than this is not told of.
const BEHIND: Duration = Duration::from_secs(2);

/// Runs the schedules until a signal asks to stop, and gives the exit code that says which.
///
/// # Errors
/// A state that a later opsrun or another program made. One that cannot be written is waited for.
pub fn serve(
    model: Model,
    how: &How,
    reread: &dyn Fn() -> Reread,
    signals: &Signals,
    voice: &mut dyn Voice,
) -> Result<u8, LaunchError> {
    let model = Arc::new(model);
    let mut daemon = Daemon {
        book: Book::new(&model),
        watch: Watch::new(&model.ops.files),
        model,
        how,
        reread,
        signals,
        voice,
        store: None,
        runs: Runs::new(signals.ring()),
        manager: Manager::find(),
        sending: None,
        config: Some(readable()),
        ticked: None,
        invalid: None,
        trouble: None,
        retry: FIRST_RETRY,
        again: None,
        behind: false,
        wake: None,
    };
    daemon.serve()
}

struct Daemon<'a> {
    model: Arc<Model>,
    book: Book,
    watch: Watch,
    how: &'a How,
    reread: &'a dyn Fn() -> Reread,
    signals: &'a Signals,
    voice: &'a mut dyn Voice,
    store: Option<Store>,
    runs: Runs,
    sending: Option<Sending>,
    /// How the ops file stands, until it is told.
    config: Option<Outcome>,
    /// When what time alone makes due was last told.
    ticked: Option<Mark>,
    manager: Manager,
    /// Why the file that is there now is not in force.
    invalid: Option<String>,
    /// Why the state cannot be used.
    trouble: Option<String>,
    /// How long to wait until it is tried again, and since when.
    retry: Duration,
    again: Option<Mark>,
    /// That the clock is behind was told.
    behind: bool,
    wake: Option<DateTime<Utc>>,
}

impl Daemon<'_> {
    fn serve(&mut self) -> Result<u8, LaunchError> {
        if let Some(signal) = self.signals.stop.signal() {
            return Ok(self.stop(signal));
        }
        self.round()?;
        self.serving(false);
        self.manager.ready();
        let mut clocks = Reading::take();
        loop {
            if let Some(signal) = self.signals.stop.signal() {
                return Ok(self.stop(signal));
            }
            let reading = Reading::take();
            for jump in clock::jumps(&clocks, &reading) {
                self.tell(&Told::Clock(jump));
            }
            clocks = reading;
            let changing = self.files();
            self.hear();
            self.round()?;
            self.alerts();
            self.manager.alive();
            self.status();
            self.signals.wait(self.pause(changing));
        }
    }

    /// How long nothing is to be done.
    fn pause(&self, changing: bool) -> Duration {
        let mut pause = self.manager.beat.map_or(SLICE, |beat| SLICE.min(beat / 2));
        if changing {
            pause = pause.min(SETTLING);
        }
        if let Some(again) = self.again {
            pause = pause.min(self.retry.saturating_sub(again.elapsed()));
        } else if let Some(wake) = self.wake {
            pause = pause.min((wake - now()).to_std().unwrap_or_default());
        }
        pause
    }

    fn hear(&mut self) {
        while let Some(happened) = self.runs.happened() {
            match happened {
                Happened::Event { run, event } => self.tell(&Told::Event {
                    run: &run,
                    event: &event,
                }),
                Happened::Ended { run, failure } => {
                    if let Some(failure) = failure {
                        self.tell(&Told::NotDone {
                            run: &run,
                            message: &failure.message,
                            help: failure.help.as_deref(),
                        });
                    }
                    self.tell(&Told::Ended { run: &run });
                }
            }
        }
    }

    /// Reads the ops file again where it changed, or where somebody asked. True while it may still be in the making.
    fn files(&mut self) -> bool {
        let asked = self.signals.hung_up();
        match self.watch.seen() {
            _ if asked => {}
            Seen::Same => return false,
            Seen::Changing => return true,
            Seen::Changed => {}
        }
        self.manager.reloading();
        // Before it is read: what changes meanwhile is seen the next time.
        self.watch.read_now();
        match (self.reread)() {
            Reread::Valid(model) if model.ops.state_dir != self.model.ops.state_dir => {
                let message = format!(
                    "it moves the state from `{}` to `{}`: start opsrun anew for that",
                    crate::path::shown(&self.model.ops.state_dir),
                    crate::path::shown(&model.ops.state_dir),
                );
                self.refuse(message, "");
            }
            Reread::Valid(model) => {
                if self.invalid.take().is_some() {
                    self.tell(&Told::Valid);
                    self.config = Some(readable());
                }
                let changed = model.ops.digest != self.model.ops.digest;
                if changed || asked {
                    self.book = Book::new(&model);
                    if model.ops.files != self.model.ops.files {
                        self.watch = Watch::new(&model.ops.files);
                    }
                    self.model = Arc::from(model);
                    // Its channels may be others.
                    self.sending = None;
                    self.ticked = None;
                    self.serving(true);
                }
            }
            Reread::Invalid { message, findings } => self.refuse(message, &findings),
        }
        self.manager.ready();
        false
    }

    fn refuse(&mut self, message: String, findings: &str) {
        if self.invalid.as_ref() != Some(&message) {
            self.tell(&Told::Invalid {
                message: &message,
                findings,
            });
            self.config = Some(Outcome {
                state: State::Failed,
                summary: message.clone(),
                help: Some("mend it; until then the plan before stays in force".to_owned()),
                details: Vec::new(),
            });
            self.invalid = Some(message);
        }
    }

    fn serving(&mut self, again: bool) {
        let model = Arc::clone(&self.model);
        self.tell(&Told::Serving {
            model: &model,
            schedules: self.book.entries.len(),
            again,
        });
    }

    /// Looks at the clock, and begins what is due.
    fn round(&mut self) -> Result<(), LaunchError> {
        if self.again.is_some_and(|again| again.elapsed() < self.retry) {
            return Ok(());
        }
        match self.turns() {
            Ok(()) => {
                self.again = None;
                self.retry = FIRST_RETRY;
                if self.trouble.take().is_some() {
                    self.tell(&Told::State);
                }
                Ok(())
            }
            Err(error @ (StoreError::Newer { .. } | StoreError::Foreign { .. })) if self.runs.is_empty() => {
                Err(error.into())
            }
            Err(error) => {
                self.store = None;
                self.sending = None;
                self.ticked = None;
                let message = error_chain(&error);
                if self.trouble.as_ref() != Some(&message) {
                    self.tell(&Told::NoState {
                        message: &message,
                        help: error.help().as_deref(),
                    });
                    self.trouble = Some(message);
                }
                if self.again.is_some() {
                    self.retry = (self.retry * 2).min(LAST_RETRY);
                }
                self.again = Some(Mark::set());
                Ok(())
            }
        }
    }

    fn turns(&mut self) -> Result<(), StoreError> {
        let store = if let Some(store) = self.store.take() {
            store
        } else {
            let store = Store::open(&self.model.ops.state_dir)?;
            settle::lost_attempts(&self.model, &store)?;
            let vault = Vault::expecting(self.model.values());
            for (run, message) in mark_interrupted(&self.model, &store, &vault)? {
                self.tell(&Told::CutShort {
                    run: &run,
                    message: &message,
                });
            }
            store
        };
        let store = self.store.insert(store);
        self.runs.write_ends(&self.model, store);
        for _ in 0..TURNS {
            let at = now();
            let taken = take_turn(&self.book, store, Some(&self.runs.at_work()), at, &self.how.command)?;
            let Some(round) = taken else { continue };
            self.wake = round.wake;
            for beginning in &round.turn.runs {
                self.runs.begin(&self.model, beginning, self.how);
            }
            self.runs.replace(&round.replaced);
            for decision in &round.turn.decisions {
                self.voice.tell(at, &Told::NotRun(decision));
            }
            let behind = round.behind.filter(|behind| *behind >= BEHIND);
            if let Some(behind) = behind.filter(|_| !self.behind) {
                self.voice.tell(at, &Told::Behind(behind));
            }
            self.behind = behind.is_some();
            return Ok(());
        }
        // Others are busy with the same schedules: they are served.
        self.wake = now().checked_add_signed(TimeDelta::milliseconds(100));
        Ok(())
    }

    /// Has alerts sent, and tells of what no run does.
    fn alerts(&mut self) {
        while let Some(said) = self.sending.as_ref().and_then(Sending::said) {
            self.tell(&Told::Alerts(&said));
        }
        let Some(store) = &self.store else { return };
        let due = self.ticked.is_none_or(|ticked| ticked.elapsed() >= TICK);
        if due || self.config.is_some() {
            let vault = Vault::expecting(self.model.values());
            let config = |outcome| report_config(&self.model, store, &vault, outcome);
            let told = self.config.as_ref().map_or(Ok(()), config);
            if told.and_then(|()| report_time(&self.model, store, &vault)).is_ok() {
                // Where it failed the next round meets the same trouble, and says it.
                self.config = None;
            }
            self.ticked = Some(Mark::set());
        }
        let over = self.sending.as_ref().is_none_or(Sending::is_over);
        if due && over && !self.model.channels.is_empty() {
            match Sending::begin(&self.model, self.signals.ring()) {
                Ok(sending) => self.sending = Some(sending),
                Err(error) => self.tell(&Told::Alerts(&format!("alerts cannot be sent: {error}"))),
            }
        }
    }

    /// Begins nothing more, asks every run to stop, and waits until the journal of each is written.
    fn stop(&mut self, signal: u8) -> u8 {
        self.manager.stopping();
        self.tell(&Told::Stopping {
            signal,
            runs: self.runs.len(),
        });
        self.runs.stop(signal);
        loop {
            self.hear();
            if self.runs.is_empty() {
                break;
            }
            self.manager.alive();
            self.signals
                .wait(self.manager.beat.map_or(SLICE, |beat| SLICE.min(beat / 2)));
        }
        if let Some(store) = &self.store {
            self.runs.write_ends(&self.model, store);
        }
        if let Some(sending) = self.sending.take() {
            for said in sending.end(&self.model) {
                self.tell(&Told::Alerts(&said));
            }
        }
        128 + signal
    }

    fn status(&mut self) {
        let work = match (self.runs.len(), &self.trouble) {
            (_, Some(trouble)) => trouble.clone(),
            (0, None) => "waiting".to_owned(),
            (1, None) => "1 run is at work".to_owned(),
            (runs, None) => format!("{runs} runs are at work"),
        };
        let invalid = self.invalid.as_ref();
        let invalid = invalid.map(|message| format!("the ops file cannot be used: {message}"));
        let next = self.wake.map(|wake| wake.to_rfc3339_opts(SecondsFormat::Secs, true));
        let next = next.map(|next| format!("next: {next}"));
        let parts: Vec<String> = [Some(work), invalid, next].into_iter().flatten().collect();
        self.manager.status(parts.join("; "));
    }

    fn tell(&mut self, told: &Told<'_>) {
        self.voice.tell(now(), told);
    }
}

/// How an ops file stands that can be used.
fn readable() -> Outcome {
    Outcome {
        state: State::Ok,
        summary: "the ops file can be used".to_owned(),
        help: None,
        details: Vec::new(),
    }
}
