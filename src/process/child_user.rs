//! Running a child as another user: who that is, which variables it gets, and what happens between fork and exec.
//!
//! Takes whom a command runs as, gives an [`ChildUser`] that a command takes on. Supplementary groups first, then the group,
//! then the user: each step needs rights that the next one gives up. They are bare system calls: the child may neither
//! allocate nor lock. The working directory is entered once more by the user itself.
//! Invariant: a child that could not become that user, or keeps a capability of opsrun, is never started.

use crate::blocking;
use crate::own_process;
use crate::user_database::{Account, AccountError, AccountUser, RunAs, account};
use rustix::fs::{Gid, Uid};
use rustix::process::chdir;
use rustix::thread::{clear_ambient_capability_set, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// What a child that runs as a user gets of opsrun's variables, and those that begin with `LC_`: the others may hold secrets,
/// or lead to files of opsrun's own user.
pub(super) const KEPT: [&str; 5] = ["PATH", "LANG", "LANGUAGE", "TZ", "TZDIR"];

/// Added to the error number of a step of the child, so that the parent knows which one failed.
const CHANGING: i32 = 1 << 16;
const ENTERING: i32 = 1 << 17;

#[derive(Debug)]
pub(super) struct ChildUser {
    user: Option<AccountUser>,
    uid: Option<Uid>,
    gid: Option<Gid>,
    groups: Option<Vec<Gid>>,
}

/// A child could not become its user.
#[derive(Debug, thiserror::Error)]
pub enum ChildUserError {
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error("opsrun may not change the user of a command")]
    MayNotChange,
    #[error("the directory may not be entered")]
    ClosedDirectory,
    #[error("{}", crate::error_chain::with_reason(.0))]
    Other(io::Error),
}

/// Whom a command runs as; `None` when as opsrun. The system may ask a directory service for it.
pub(super) async fn of(run_as: Option<&RunAs>) -> Result<Option<ChildUser>, ChildUserError> {
    let Some(run_as) = run_as.cloned() else {
        return Ok(None);
    };
    let found = blocking::call("the users of the system", move || account(&run_as)).await;
    let child_user = ChildUser::new(found.unwrap_or(Err(AccountError::Silent))?);
    if child_user.changes() && !own_process::may_change_user() {
        return Err(ChildUserError::MayNotChange);
    }
    Ok(Some(child_user))
}

/// What a failed step of the child means; `None` for an error of something else.
pub(super) fn why(cause: &io::Error) -> Option<ChildUserError> {
    let code = cause.raw_os_error()?;
    let step = code & (CHANGING | ENTERING);
    let error = io::Error::from_raw_os_error(code & !step);
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    match step {
        CHANGING if denied => Some(ChildUserError::MayNotChange),
        ENTERING if denied => Some(ChildUserError::ClosedDirectory),
        CHANGING | ENTERING => Some(ChildUserError::Other(error)),
        _ => None,
    }
}

impl ChildUser {
    fn new(account: Account) -> Self {
        let changes = !account.is_own();
        let user = account.user.as_ref().filter(|_| changes);
        Self {
            uid: user.map(|user| Uid::from_raw(user.uid)),
            groups: user.map(|user| user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect()),
            gid: changes.then(|| Gid::from_raw(account.gid)),
            user: account.user,
        }
    }

    /// False when opsrun runs as that user and group already.
    fn changes(&self) -> bool {
        self.gid.is_some()
    }

    /// True when it runs as another user than opsrun.
    pub(super) fn is_another(&self) -> bool {
        self.uid.is_some_and(|uid| uid != rustix::process::geteuid())
    }

    /// The variables of a child that runs as a user; the command's own come later.
    pub(super) fn set_variables(&self, command: &mut Command) {
        let Some(user) = &self.user else { return };
        let kept = std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            KEPT.contains(&&*name) || name.starts_with("LC_")
        });
        command
            .env_clear()
            .envs(kept)
            .env("HOME", &user.home)
            .env("USER", &user.name)
            .env("LOGNAME", &user.name)
            .env("SHELL", &user.shell);
    }

    /// Makes the child become that user before its program begins.
    #[expect(unsafe_code, reason = "what happens between fork and exec is unsafe by nature")]
    pub(super) fn take(&self, command: &mut Command, cwd: &Path) -> io::Result<()> {
        if !self.changes() {
            return Ok(());
        }
        let (uid, gid, groups) = (self.uid, self.gid, self.groups.clone());
        let cwd = CString::new(cwd.as_os_str().as_bytes())?;
        let become_user = move || {
            // Where there are no such sets, none is kept.
            let _ = clear_ambient_capability_set();
            let changed = groups
                .as_deref()
                .map_or(Ok(()), set_thread_groups)
                .and_then(|()| gid.map_or(Ok(()), |gid| set_thread_res_gid(gid, gid, gid)))
                .and_then(|()| uid.map_or(Ok(()), |uid| set_thread_res_uid(uid, uid, uid)));
            changed.map_err(|e| io::Error::from_raw_os_error(e.raw_os_error() | CHANGING))?;
            chdir(cwd.as_c_str()).map_err(|e| io::Error::from_raw_os_error(e.raw_os_error() | ENTERING))
        };
        // SAFETY: it makes system calls on memory that was made before the fork, and neither allocates nor locks.
        unsafe { command.pre_exec(become_user) };
        Ok(())
    }
}
