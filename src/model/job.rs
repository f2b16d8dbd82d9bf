//! Names of jobs and of their steps: `kind:name`, as `needs`, `--only` and the events write them.
//!
//! Invariant: the text of a name is unique within a model, and stable: stores and plans hold it.

use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// In the order in which a run prefers them when nothing else decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    Check,
    Target,
    Backup,
    Retention,
}

impl JobKind {
    pub const ALL: [Self; 4] = [Self::Check, Self::Target, Self::Backup, Self::Retention];

    pub fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Target => "target",
            Self::Backup => "backup",
            Self::Retention => "retention",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A name as `kind:name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindName<K> {
    pub kind: K,
    /// Unique within its kind; of a step, the name of its job.
    pub name: String,
}

/// The name of a job: unique in a model.
pub type JobName = KindName<JobKind>;
/// The name of a step: unique in a plan.
pub type StepName = KindName<StepKind>;

impl<K> KindName<K> {
    pub fn new(kind: K, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { kind, name }
    }
}

impl<K: DeserializeOwned> KindName<K> {
    fn read(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        let kind: Result<K, ValueError> = K::deserialize(kind.into_deserializer());
        Some(Self::new(kind.ok()?, name))
    }
}

impl<K: fmt::Display> fmt::Display for KindName<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

impl<K: fmt::Display> Serialize for KindName<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What all jobs have besides a name.
#[derive(Debug, Clone, Default)]
pub struct JobSettings {
    /// Jobs that must have succeeded in the run before; of a retention, besides its backup.
    pub needs: Vec<JobName>,
    /// The schedule that it runs by; without one it runs only when asked for.
    pub schedule: Option<String>,
    /// The channels to notify; `None` is all of them, by severity.
    pub notify: Option<Vec<String>>,
    /// Leave the job out of every run.
    pub paused: bool,
}

impl JobName {
    /// The steps that a run does for it, in order.
    pub fn steps(&self) -> Vec<StepName> {
        let kinds: &[StepKind] = match self.kind {
            JobKind::Check => &[StepKind::Check],
            JobKind::Target => &[StepKind::Target],
            JobKind::Backup => &[StepKind::Backup, StepKind::Verify],
            JobKind::Retention => &[StepKind::Cleanup],
        };
        kinds.iter().map(|kind| StepName::new(*kind, &self.name)).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job is written `kind:name`, with one of the kinds check, target, backup, retention")]
pub struct InvalidJobName;

impl FromStr for JobName {
    type Err = InvalidJobName;

    fn from_str(text: &str) -> Result<Self, InvalidJobName> {
        Self::read(text).ok_or(InvalidJobName)
    }
}

/// In alphabetical order, so that names sort like their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepKind {
    Backup,
    Check,
    Cleanup,
    /// Not a step of a plan: a paused retention, which is settled as a whole.
    Retention,
    Target,
    Verify,
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "backup",
            Self::Check => "check",
            Self::Cleanup => "cleanup",
            Self::Retention => "retention",
            Self::Target => "target",
            Self::Verify => "verify",
        })
    }
}

impl StepName {
    /// The job it is part of.
    pub fn job(&self) -> JobName {
        let kind = match self.kind {
            StepKind::Backup | StepKind::Verify => JobKind::Backup,
            StepKind::Check => JobKind::Check,
            StepKind::Cleanup | StepKind::Retention => JobKind::Retention,
            StepKind::Target => JobKind::Target,
        };
        JobName::new(kind, &self.name)
    }
}

/// A job that is settled as a whole, since it is paused.
impl From<&JobName> for StepName {
    fn from(job: &JobName) -> Self {
        let kind = match job.kind {
            JobKind::Check => StepKind::Check,
            JobKind::Target => StepKind::Target,
            JobKind::Backup => StepKind::Backup,
            JobKind::Retention => StepKind::Retention,
        };
        Self::new(kind, &job.name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a step is written `kind:name`, with one of the kinds check, target, backup, verify, cleanup")]
pub struct InvalidStepName;

impl FromStr for StepName {
    type Err = InvalidStepName;

    fn from_str(text: &str) -> Result<Self, InvalidStepName> {
        Self::read(text).ok_or(InvalidStepName)
    }
}

impl<'de> Deserialize<'de> for StepName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for StepName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StepName".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_reads_back_and_belongs_to_a_job() {
        let jobs = [
            "check:a",
            "target:b",
            "backup:c",
            "verify:c",
            "cleanup:d",
            "retention:d",
        ]
        .map(|text| {
            let step: StepName = text.parse().unwrap();
            assert_eq!(step.to_string(), text);
            step.job().to_string()
        });
        assert_eq!(
            jobs,
            [
                "check:a",
                "target:b",
                "backup:c",
                "backup:c",
                "retention:d",
                "retention:d"
            ]
        );
        assert_eq!("copy:a".parse::<StepName>(), Err(InvalidStepName));
    }

    #[test]
    fn a_name_reads_back() {
        for text in ["check:a", "target:b-1", "backup:c", "retention:d_e"] {
            assert_eq!(text.parse::<JobName>().unwrap().to_string(), text);
        }
        for text in ["", "a", "verify:a", "Check:a"] {
            assert_eq!(text.parse::<JobName>(), Err(InvalidJobName), "{text}");
        }
    }
}
