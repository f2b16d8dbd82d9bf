//! Is the process that began a run still there?
//!
//! Takes what /proc says of a process, gives a token that no later process can have: number, start time,
//! boot. Runs that do not touch each other proceed side by side, so a run without an end may be going on.
//! Invariant: a token of another boot, or whose number was given to another process, is not alive.

/// The token of this process; where /proc cannot be read, one that is never alive.
pub(super) fn token() -> String {
    let pid = std::process::id();
    let start = start_of(pid).unwrap_or_else(|| "unknown".to_owned());
    format!("{pid} {start} {}", boot())
}

/// True when the process that [`token`] named is still there.
pub(super) fn is_alive(token: &str) -> bool {
    let mut parts = token.split(' ');
    let (Some(pid), Some(start), Some(boot_id)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Ok(pid) = pid.parse() else { return false };
    start_of(pid).is_some_and(|found| found == start) && boot() == boot_id
}

/// Field 22 of /proc/PID/stat, counted behind the name, which may hold anything; `None` for a zombie too.
fn start_of(pid: u32) -> Option<String> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned))?
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_others_are_not() {
        let own = token();
        assert!(is_alive(&own));
        assert!(!is_alive("1 0 elsewhere"));
        assert!(!is_alive("unknown"));
        let later = own.replacen(' ', " 1", 1);
        assert!(!is_alive(&later));
    }
}
