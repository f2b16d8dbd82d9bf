//! Names of jobs: `kind:name`, as `needs`, `--only` and the events write them.
//!
//! Invariant: the text of a [`JobName`] is unique within a model, and stable: it stands in stores and plans.

use std::fmt;
use std::str::FromStr;

/// What kinds of jobs there are, in the order in which a run prefers them when nothing else decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// A question about the state of something.
    Check,
    Target,
    Backup,
    Retention,
}

impl JobKind {
    pub const ALL: [Self; 4] = [Self::Check, Self::Target, Self::Backup, Self::Retention];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Target => "target",
            Self::Backup => "backup",
            Self::Retention => "retention",
        }
    }
}

/// The name of a job: unique in a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName {
    pub kind: JobKind,
    /// Its name among those of its kind.
    pub name: String,
}

impl JobName {
    pub fn new(kind: JobKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// Names of the steps that a run does for it, in order.
    #[must_use]
    pub fn steps(&self) -> Vec<String> {
        let Self { kind, name } = self;
        match kind {
            JobKind::Check | JobKind::Target => vec![self.to_string()],
            JobKind::Backup => vec![format!("backup:{name}"), format!("verify:{name}")],
            JobKind::Retention => vec![format!("cleanup:{name}")],
        }
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.word(), self.name)
    }
}

/// A text that is no job's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job is written `kind:name`, with one of the kinds check, target, backup, retention")]
pub struct NoJobName;

impl FromStr for JobName {
    type Err = NoJobName;

    fn from_str(text: &str) -> Result<Self, NoJobName> {
        let (kind, name) = text.split_once(':').ok_or(NoJobName)?;
        let kind = JobKind::ALL
            .into_iter()
            .find(|known| known.word() == kind)
            .ok_or(NoJobName)?;
        Ok(Self::new(kind, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back() {
        for text in ["check:a", "target:b-1", "backup:c", "retention:d_e"] {
            assert_eq!(text.parse::<JobName>().unwrap().to_string(), text);
        }
        for text in ["", "a", "verify:a", "Check:a"] {
            assert_eq!(text.parse::<JobName>(), Err(NoJobName), "{text}");
        }
    }
}
