//! [`UserDatabase`]: the system's names of users and groups, and their numbers.
//!
//! Asks the C library (`getpwuid_r` and its like), which asks what the machine is configured to: `/etc/passwd`, LDAP,
//! systemd. A static binary reads `/etc/passwd` and `/etc/group` only. Each question is asked once.
//! [`account`] is what it takes to run a command as a user.
//! Invariant: a directory service that hangs costs [`TIMEOUT`] once, or less when the caller is to stop; after that, nothing
//! has a name.

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use serde::Serialize;
use std::collections::HashMap;
use std::ffi::CString;
use std::fmt;
use std::hash::Hash;
use std::path::PathBuf;
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

/// As whom a command runs: a user, a group, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunAs {
    /// The name or number of a user; its groups come with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The name or number of a group, in place of the user's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl fmt::Display for RunAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [("user", &self.user), ("group", &self.group)];
        let names = names
            .iter()
            .filter_map(|(kind, name)| Some(format!("{kind} `{}`", name.as_ref()?)));
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}

/// What the system says of whom a command runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `None` where only the group changes.
    pub user: Option<AccountUser>,
    pub gid: u32,
}

impl Account {
    /// True when opsrun runs as that user and with that group already.
    pub fn is_own(&self) -> bool {
        let own = |user: &AccountUser| user.uid == Uid::effective().as_raw();
        self.gid == Gid::effective().as_raw() && self.user.as_ref().is_none_or(own)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountUser {
    pub name: String,
    pub uid: u32,
    /// All its groups, the one that it runs with included.
    pub groups: Vec<u32>,
    pub home: PathBuf,
    pub shell: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error("the user `{0}` does not exist")]
    NoUser(String),
    #[error("the group `{0}` does not exist")]
    NoGroup(String),
    #[error("the system does not say which groups the user `{0}` has")]
    NoGroups(String),
    #[error("the system did not answer within 10 s who that is")]
    Silent,
}

/// Looks up whom a command runs as. Blocks for [`TIMEOUT`] at most.
pub fn account(run_as: &RunAs) -> Result<Account, AccountError> {
    let run_as = run_as.clone();
    in_time(move || find_account(&run_as), TIMEOUT, &|| false).unwrap_or(Err(AccountError::Silent))
}

fn find_account(run_as: &RunAs) -> Result<Account, AccountError> {
    let group = run_as.group.as_ref().map(|asked| {
        let by_name = Group::from_name(asked).ok().flatten();
        let by_number = || Group::from_gid(Gid::from_raw(asked.parse().ok()?)).ok().flatten();
        let found = by_name.or_else(by_number).map(|group| group.gid);
        found.ok_or_else(|| AccountError::NoGroup(asked.clone()))
    });
    let group = group.transpose()?;
    let Some(asked) = &run_as.user else {
        let gid = group.unwrap_or_else(Gid::effective);
        return Ok(Account {
            user: None,
            gid: gid.as_raw(),
        });
    };
    let by_name = User::from_name(asked).ok().flatten();
    let by_number = || User::from_uid(Uid::from_raw(asked.parse().ok()?)).ok().flatten();
    let user = by_name
        .or_else(by_number)
        .ok_or_else(|| AccountError::NoUser(asked.clone()))?;
    let gid = group.unwrap_or(user.gid);
    let groups = CString::new(user.name.as_str())
        .ok()
        .and_then(|name| getgrouplist(&name, gid).ok());
    let groups = groups.ok_or_else(|| AccountError::NoGroups(asked.clone()))?;
    Ok(Account {
        user: Some(AccountUser {
            name: user.name,
            uid: user.uid.as_raw(),
            groups: groups.into_iter().map(Gid::as_raw).collect(),
            home: user.dir,
            shell: user.shell,
        }),
        gid: gid.as_raw(),
    })
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
    fn an_account_is_found_by_name_or_number() {
        let run_as = |user: Option<&str>, group: Option<&str>| RunAs {
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
        };
        let root = account(&run_as(Some("root"), None)).unwrap();
        let user = root.user.clone().unwrap();
        assert_eq!((user.name.as_str(), user.uid, root.gid), ("root", 0, 0));
        assert!(user.groups.contains(&0));
        assert_eq!(account(&run_as(Some("0"), None)), Ok(root));
        let group = account(&run_as(None, Some("0"))).unwrap();
        assert_eq!((group.user, group.gid), (None, 0));
        let with_group = account(&run_as(Some("root"), Some("1"))).unwrap();
        assert_eq!(with_group.gid, 1);
        assert!(with_group.user.unwrap().groups.contains(&1));
        let gone = "no-such-user".to_owned();
        for (asked, error) in [
            (run_as(Some(&gone), None), AccountError::NoUser(gone.clone())),
            (run_as(Some("root"), Some(&gone)), AccountError::NoGroup(gone.clone())),
            (
                run_as(Some("4000000001"), None),
                AccountError::NoUser("4000000001".to_owned()),
            ),
            (run_as(Some("-1"), None), AccountError::NoUser("-1".to_owned())),
            (run_as(Some("a\0b"), None), AccountError::NoUser("a\0b".to_owned())),
        ] {
            assert_eq!(account(&asked), Err(error));
        }
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
