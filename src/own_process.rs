//! What the kernel says of this process: which signals it ignores, what it may do, whether a sandbox filters its calls.
//!
//! Source: `/proc/self/status`, read once, at the first question. Where that is missing nothing is known, and every answer is
//! false.

use rustix::io::Errno;
use std::sync::LazyLock;

/// Bits in a set of capabilities.
const CAP_KILL: u32 = 5;
const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
const CAP_LEASE: u32 = 28;

/// What takes a system call away that the kernel has.
const SANDBOX: &str = "a sandbox blocks this system call: seccomp, as set by `SystemCallFilter=` or `RestrictSUIDSGID=` of a \
                       systemd unit, or by the profile of a container";

static STATUS: LazyLock<String> = LazyLock::new(|| std::fs::read_to_string("/proc/self/status").unwrap_or_default());

/// The same where rights may be missing as well.
const SANDBOX_OR_RIGHTS: &str = "rights are missing, or a sandbox blocks this system call: seccomp, as set by `SystemCallFilter=` of a systemd unit, or by \
     the profile of a container";

/// True when the signal was ignored at the start, as by `nohup`. First asked before any handler is set.
pub fn ignores(signal: i32) -> bool {
    u32::try_from(signal - 1).is_ok_and(|bit| has(&STATUS, "SigIgn", bit))
}

/// True when leases may be taken on files of other users.
pub fn has_cap_lease() -> bool {
    has(&STATUS, "CapEff", CAP_LEASE)
}

/// True when a command may be run as another user, and be ended then.
pub fn may_change_user() -> bool {
    let known = field(&STATUS, "CapEff").is_some();
    let all = [CAP_KILL, CAP_SETGID, CAP_SETUID]
        .iter()
        .all(|bit| has(&STATUS, "CapEff", *bit));
    all || !known && rustix::process::geteuid().is_root()
}

/// True when system calls pass a filter, which may refuse them.
pub fn is_sandboxed() -> bool {
    is_filtered(&STATUS)
}

/// Why a call that opsrun needs was refused, when not the file is the cause, or not it alone.
pub fn why_refused(errno: Errno) -> Option<&'static str> {
    if errno == Errno::PERM && is_filtered(&STATUS) {
        return Some(SANDBOX_OR_RIGHTS);
    }
    if errno != Errno::NOSYS {
        return None;
    }
    Some(match (is_filtered(&STATUS), kernel() < Some((5, 6))) {
        (true, _) => SANDBOX,
        (false, true) => "this needs Linux 5.6 or newer",
        (false, false) => "the kernel, a sandbox or the file system does not offer this system call",
    })
}

/// The same for a call that needs no rights of its own: there, EPERM comes from a filter too.
pub fn why_not_allowed(errno: Errno) -> Option<&'static str> {
    let filtered = errno == Errno::PERM && is_filtered(&STATUS);
    if filtered { Some(SANDBOX) } else { why_refused(errno) }
}

fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    let mut lines = status.lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

fn has(status: &str, set: &str, bit: u32) -> bool {
    let bits = field(status, set).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    bits.is_some_and(|bits| bits & 1_u64.checked_shl(bit).unwrap_or(0) != 0)
}

/// Calls pass a filter of seccomp.
fn is_filtered(status: &str) -> bool {
    field(status, "Seccomp").is_some_and(|mode| mode != "0")
}

/// Major and minor version.
fn kernel() -> Option<(u32, u32)> {
    let name = rustix::system::uname();
    let mut numbers = name.release().to_str().ok()?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str =
        "Name:\topsrun\nSigIgn:\t0000000000001001\nCapEff:\t0000000010000000\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    #[test]
    fn the_kernel_is_understood() {
        assert!(has(STATUS, "SigIgn", 0) && has(STATUS, "SigIgn", 12) && !has(STATUS, "SigIgn", 1));
        assert!(has(STATUS, "CapEff", CAP_LEASE) && is_filtered(STATUS));
        assert!(!has("", "CapEff", CAP_LEASE) && !has(STATUS, "CapEff", 99) && !is_filtered(""));
        assert!(kernel() >= Some((5, 6)));
        assert!(!ignores(libc::SIGTERM) && !ignores(0) && !ignores(-1));
        assert_eq!(why_not_allowed(Errno::ACCESS), None);
    }
}
