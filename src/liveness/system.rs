//! This start of the system, and this PID namespace: numbers of processes mean the same within both.

use std::fmt;

/// Where and when a number of a process was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct System {
    boot: Option<String>,
    namespace: Option<String>,
}

/// Whether numbers from there mean the same here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Same,
    /// The system was started again: its processes are gone.
    Ended,
    /// Another PID namespace, or there is no `/proc` to see it in.
    Unknown,
}

const UNKNOWN: &str = "unknown";

impl System {
    pub(super) fn own() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        // `pid:[4026531836]`
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok();
        let namespace =
            namespace.and_then(|link| Some(link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.to_owned()));
        Self {
            boot: boot.map(|id| id.trim().to_owned()),
            namespace,
        }
    }

    /// The two words that [`fmt::Display`] writes; without the second, as earlier versions wrote it, the own namespace.
    pub(super) fn parse(boot: &str, namespace: Option<&str>, own: &Self) -> Self {
        let known = |word: &str| (word != UNKNOWN).then(|| word.to_owned());
        Self {
            boot: known(boot),
            namespace: namespace.map_or_else(|| own.namespace.clone(), known),
        }
    }

    pub(super) fn reach(&self, own: &Self) -> Reach {
        match (&self.boot, &own.boot) {
            (Some(theirs), Some(own)) if theirs != own => return Reach::Ended,
            (Some(_), Some(_)) => {}
            _ => return Reach::Unknown,
        }
        if self.namespace.is_some() && self.namespace == own.namespace {
            Reach::Same
        } else {
            Reach::Unknown
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |part: &Option<String>| part.clone().unwrap_or_else(|| UNKNOWN.to_owned());
        write!(f, "{} {}", word(&self.boot), word(&self.namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_mean_the_same_in_one_namespace_of_one_start() {
        let own = System::own();
        assert_eq!(own.reach(&own), Reach::Same);
        let of = |boot: &str, namespace: Option<&str>| System::parse(boot, namespace, &own).reach(&own);
        let text = own.to_string();
        let (boot, namespace) = text.split_once(' ').unwrap();
        assert_eq!(of(boot, Some(namespace)), Reach::Same);
        assert_eq!(of(boot, None), Reach::Same);
        assert_eq!(of(boot, Some("1")), Reach::Unknown);
        assert_eq!(of(boot, Some(UNKNOWN)), Reach::Unknown);
        assert_eq!(of("other", Some(namespace)), Reach::Ended);
        assert_eq!(of("other", Some("1")), Reach::Ended);
        assert_eq!(of(UNKNOWN, Some(namespace)), Reach::Unknown);
        let hidden = System {
            boot: None,
            namespace: None,
        };
        assert_eq!(hidden.reach(&hidden), Reach::Unknown);
        assert_eq!(hidden.to_string(), "unknown unknown");
    }
}
