//! [`UserDatabase`]: the system's names of users and groups, and their numbers.
//!
//! Asks the C library (`getpwuid_r` and its like), which asks what the machine is configured to: `/etc/passwd`, LDAP,
//! systemd. A static binary reads `/etc/passwd` and `/etc/group` only. Each question is asked once.
//! Invariant: a directory service that hangs costs [`TIMEOUT`] once, or less when the caller is to stop; after that, nothing
//! has a name.

use nix::unistd::{Gid, Group, Uid, User};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long the system may take to answer one question.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a caller that waits is asked whether it is to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// How many answers are kept of each kind; more are asked again.
const MAX_ANSWERS: usize = 50_000;

/// A longer name is not one.
const MAX_NAME_LENGTH: usize = 256;

type Answers<K, V> = Mutex<HashMap<K, Option<V>>>;

pub struct UserDatabase<'a> {
    stop: &'a (dyn Fn() -> bool + Sync),
    users: Answers<u32, String>,
    groups: Answers<u32, String>,
    uids: Answers<String, u32>,
    gids: Answers<String, u32>,
    silent: AtomicBool,
}

impl<'a> UserDatabase<'a> {
    /// `stop` is asked while the system does not answer.
    pub fn new(stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self {
            stop,
            users: Answers::default(),
            groups: Answers::default(),
            uids: Answers::default(),
            gids: Answers::default(),
            silent: AtomicBool::new(false),
        }
    }

    pub fn user(&self, uid: u32) -> Option<String> {
        let ask = move || User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
        self.answer(&self.users, uid, ask).filter(|name| is_name(name))
    }

    pub fn group(&self, gid: u32) -> Option<String> {
        let ask = move || {
            Group::from_gid(Gid::from_raw(gid))
                .ok()
                .flatten()
                .map(|group| group.name)
        };
        self.answer(&self.groups, gid, ask).filter(|name| is_name(name))
    }

    pub fn uid(&self, name: &str) -> Option<u32> {
        let asked = is_name(name).then(|| name.to_owned())?;
        let ask = move || User::from_name(&asked).ok().flatten().map(|user| user.uid.as_raw());
        self.answer(&self.uids, name.to_owned(), ask)
    }

    pub fn gid(&self, name: &str) -> Option<u32> {
        let asked = is_name(name).then(|| name.to_owned())?;
        let ask = move || Group::from_name(&asked).ok().flatten().map(|group| group.gid.as_raw());
        self.answer(&self.gids, name.to_owned(), ask)
    }

    /// True when it did not answer in time, and is not asked any more.
    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    fn answer<K: Eq + Hash, V: Clone + Send + 'static>(
        &self,
        known: &Answers<K, V>,
        key: K,
        ask: impl FnOnce() -> Option<V> + Send + 'static,
    ) -> Option<V> {
        // One question at a time: a service that hangs is waited for once.
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.get(&key) {
            return answer.clone();
        }
        if self.is_silent() {
            return None;
        }
        let answer = in_time(ask, TIMEOUT, self.stop).unwrap_or_else(|| {
            self.silent.store(true, Ordering::Relaxed);
            None
        });
        if known.len() < MAX_ANSWERS {
            known.insert(key, answer.clone());
        }
        answer
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_LENGTH && !name.contains(['\0', '\n', ':'])
}

/// Asks in a thread of its own, which is left behind when it hangs; `None` when it took too long, or when the caller is to
/// stop. Where no thread can be started, the caller waits.
fn in_time<T: Send + 'static>(
    ask: impl FnOnce() -> T + Send + 'static,
    limit: Duration,
    stop: &dyn Fn() -> bool,
) -> Option<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let question = Arc::new(Mutex::new(Some(ask)));
    let take = |question: &Mutex<Option<_>>| question.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = Arc::clone(&question);
    let thread = std::thread::Builder::new().spawn(move || {
        if let Some(ask) = take(&theirs) {
            // The caller may have left.
            let _ = sender.send(ask());
        }
    });
    match thread {
        Ok(_) => {
            let mut left = limit;
            loop {
                let now = left.min(STOP_INTERVAL);
                match receiver.recv_timeout(now) {
                    Err(RecvTimeoutError::Timeout) if left > now && !stop() => left -= now,
                    answer => return answer.ok(),
                }
            }
        }
        Err(_) => take(&question).map(|ask| ask()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_to_each_other() {
        let users = UserDatabase::new(&|| false);
        assert_eq!(users.user(0).as_deref(), Some("root"));
        assert_eq!(users.uid("root"), Some(0));
        assert_eq!(users.gid(&users.group(0).unwrap()), Some(0));
        assert_eq!(users.user(4_000_000_001), None);
        assert_eq!(users.uid("no such user, surely"), None);
        assert_eq!(users.uid("a\0b"), None);
        assert!(!users.is_silent());
    }

    #[test]
    fn a_caller_that_is_to_stop_leaves() {
        let (hold, held) = mpsc::channel::<()>();
        let asked = AtomicBool::new(false);
        let stop = || asked.swap(true, Ordering::Relaxed);
        // Without the question it would wait for an hour.
        assert!(in_time(move || held.recv().ok(), Duration::from_secs(3600), &stop).is_none());
        assert!(asked.load(Ordering::Relaxed));
        drop(hold);
    }

    #[test]
    fn a_service_that_hangs_is_waited_for_once() {
        let (hold, held) = mpsc::channel::<()>();
        let hangs = move || held.recv().ok();
        assert!(in_time(hangs, Duration::ZERO, &|| false).is_none());
        drop(hold);
        let users = UserDatabase::new(&|| false);
        users.silent.store(true, Ordering::Relaxed);
        assert_eq!(users.user(0), None);
    }
}
