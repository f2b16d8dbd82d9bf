//! What is told: one form for all channels, and the JSON document that webhooks and commands are given.
//!
//! Takes what happened, gives a [`Message`]; its JSON Schema is `schemas/alert.schema.json`. Knows no channel.
//! Invariant: an `id` names one message for ever, however often it is sent; texts are short and hold no secret.

use crate::model::channel::Severity;
use crate::model::state::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The number of the JSON format.
pub const FORMAT: u32 = 1;
/// The key of digests: they speak for several keys.
pub const DIGEST: &str = "digest";
/// The key of runs as a whole.
pub const RUN: &str = "run";
/// The key of the ops file itself.
pub const CONFIG: &str = "config";
pub const PROBE: &str = "probe";

/// Details that a message carries.
const DETAILS: usize = 10;
const LONGEST: usize = 1024;
const PARTS: usize = 50;

/// Something that somebody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun alert, format 1"))]
pub struct Message {
    /// Number of this format: 1.
    pub format: u32,
    /// Names the message; the same each time it is sent, so that receivers can tell a repetition.
    pub id: String,
    /// What kind of news it is.
    pub kind: Kind,
    /// How grave it is. A recovery is as grave as what it ends.
    pub severity: Severity,
    /// The `ops` name.
    pub ops: String,
    /// The machine.
    pub host: String,
    /// What it is about: the name of a step (`check:broker`, `verify:observer`), `run`, `config`, `digest` or `probe`.
    /// Messages of one key arrive in order.
    pub key: String,
    /// The job, `kind:name`, where it is about one.
    pub job: Option<String>,
    /// How it stands; null where that has no meaning.
    pub state: Option<State>,
    /// What the channel was told last of this key, when that is not over.
    pub previous: Option<State>,
    /// In one line.
    pub summary: String,
    /// What to try next.
    pub help: Option<String>,
    /// Single things worth naming; at most 10.
    pub details: Vec<String>,
    /// In which run.
    pub run: Option<String>,
    /// When it happened: RFC 3339, UTC.
    pub at: DateTime<Utc>,
    /// Of a digest: how many messages it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Of a digest: the latest of each key, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// What kind of news it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something is bad, or bad in another degree.
    Trouble,
    /// It is good again.
    Recovery,
    /// It changes so often that nothing is told until it has settled.
    Flapping,
    /// It no longer changes: this is how it stands.
    Settled,
    /// It is still bad.
    Repeat,
    /// Several messages in one, since they were too many.
    Digest,
    /// A run begins.
    RunStarted,
    /// A run is over.
    RunFinished,
    /// Somebody tries the channel.
    Probe,
}

impl Kind {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Recovery => "recovery",
            Self::Flapping => "flapping",
            Self::Settled => "settled",
            Self::Repeat => "repeat",
            Self::Digest => "digest",
            Self::RunStarted => "run-started",
            Self::RunFinished => "run-finished",
            Self::Probe => "probe",
        }
    }
}

/// One of several messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Part {
    /// What it is about.
    pub key: String,
    /// What kind of news it is.
    pub kind: Kind,
    /// How grave it is.
    pub severity: Severity,
    /// How it stands.
    pub state: Option<State>,
    /// In one line.
    pub summary: String,
    /// When it happened: RFC 3339, UTC.
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub ops: String,
    pub host: String,
}

impl Message {
    /// A bare message; the rest is filled in by whoever has more to say.
    #[must_use]
    pub fn new(origin: &Origin, key: &str, kind: Kind, severity: Severity, summary: &str, at: DateTime<Utc>) -> Self {
        Self {
            format: FORMAT,
            id: ulid::Ulid::new().to_string(),
            kind,
            severity,
            ops: origin.ops.clone(),
            host: origin.host.clone(),
            key: key.to_owned(),
            job: None,
            state: None,
            previous: None,
            summary: cut(summary),
            help: None,
            details: Vec::new(),
            run: None,
            at,
            count: None,
            parts: Vec::new(),
        }
    }

    /// That a run begins or, with a state, how it ended.
    #[must_use]
    pub fn of_run(origin: &Origin, run: &str, state: Option<State>, summary: &str, at: DateTime<Utc>) -> Self {
        let kind = state.map_or(Kind::RunStarted, |_| Kind::RunFinished);
        let severity = match state {
            None | Some(State::Ok) => Severity::Info,
            Some(_) => Severity::Critical,
        };
        Self {
            state,
            run: Some(run.to_owned()),
            ..Self::new(origin, RUN, kind, severity, summary, at)
        }
    }

    /// What `alerts test` sends.
    #[must_use]
    pub fn probe(origin: &Origin, at: DateTime<Utc>) -> Self {
        let summary = "this is a test: nothing is wrong";
        Self::new(origin, PROBE, Kind::Probe, Severity::Info, summary, at)
    }

    /// Several of one channel in one, oldest first: the latest of each key. `None` for none.
    #[must_use]
    pub fn digest(messages: &[Self], at: DateTime<Utc>) -> Option<Self> {
        let first = messages.first()?;
        let mut latest: BTreeMap<&str, (usize, &Self)> = BTreeMap::new();
        for (place, message) in messages.iter().enumerate() {
            latest.insert(&message.key, (place, message));
        }
        let mut latest: Vec<(usize, &Self)> = latest.into_values().collect();
        latest.sort_by_key(|(place, _)| *place);
        let origin = Origin {
            ops: first.ops.clone(),
            host: first.host.clone(),
        };
        let severity = messages.iter().map(|message| message.severity).max()?;
        // What is bad now, and what is not, by key.
        let over = latest.iter().filter(|(_, message)| message.is_over()).count();
        let summary = format!(
            "{} messages about {} in one: {} open, {over} over",
            messages.len(),
            crate::units::plural(latest.len() as u64, "subject", "subjects"),
            latest.len() - over,
        );
        let line = |message: &Self| format!("{}: {}", message.key, message.summary);
        Some(Self {
            details: capped(latest.iter().map(|(_, message)| line(message))),
            count: Some(messages.len() as u64),
            parts: latest.iter().take(PARTS).map(|(_, message)| message.part()).collect(),
            ..Self::new(&origin, DIGEST, Kind::Digest, severity, &summary, at)
        })
    }

    /// True when it says that all is well (again): a recovery, a state that settled well, a run that succeeded.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.kind {
            Kind::Recovery => true,
            Kind::Settled | Kind::RunFinished => self.state.is_some_and(|s| matches!(s, State::Ok | State::Nothing)),
            Kind::Trouble | Kind::Flapping | Kind::Repeat | Kind::Digest | Kind::RunStarted | Kind::Probe => false,
        }
    }

    /// In one line: what a chat shows first, and the subject of a mail.
    #[must_use]
    pub fn title(&self) -> String {
        let about = &self.key;
        let state = self.state.map_or("unknown", State::word);
        let what = match self.kind {
            Kind::Trouble => format!("{about} is {state}"),
            Kind::Recovery => format!("{about} recovered: {state}"),
            Kind::Flapping => format!("{about} is flapping"),
            Kind::Settled => format!("{about} has settled: {state}"),
            Kind::Repeat => format!("{about} is still {state}"),
            Kind::Digest => format!("{} messages", self.count.unwrap_or_default()),
            Kind::RunStarted => "run started".to_owned(),
            Kind::RunFinished => format!("run finished: {state}"),
            Kind::Probe => "test".to_owned(),
        };
        format!("[{}] {what}", self.ops)
    }

    /// As webhooks and commands are given it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // It holds nothing that JSON cannot.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// With every text put through `clean`, and cut to what a message may hold.
    #[must_use]
    pub fn cleaned(mut self, clean: &dyn Fn(&str) -> String) -> Self {
        let text = |text: &str| cut(&clean(text));
        self.summary = text(&self.summary);
        self.help = self.help.as_deref().map(text);
        let details = self.details.iter().map(|detail| text(detail)).collect::<Vec<_>>();
        self.details = capped(details.into_iter());
        self
    }

    fn part(&self) -> Part {
        Part {
            key: self.key.clone(),
            kind: self.kind,
            severity: self.severity,
            state: self.state,
            summary: self.summary.clone(),
            at: self.at,
        }
    }
}

/// The first of them, and how many more there are.
fn capped(details: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let all = details.len();
    let mut kept: Vec<String> = details
        .take(if all > DETAILS { DETAILS - 1 } else { DETAILS })
        .collect();
    if all > kept.len() {
        kept.push(format!("and {} more", all - kept.len()));
    }
    kept
}

/// At most [`LONGEST`] bytes, at a character's end.
fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST - '…'.len_utf8());
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: &str, kind: Kind, state: State) -> Message {
        let origin = Origin {
            ops: "o".to_owned(),
            host: "h".to_owned(),
        };
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Message {
            state: Some(state),
            ..Message::new(&origin, key, kind, Severity::Critical, &format!("{key} said so"), at)
        }
    }

    #[test]
    fn a_digest_holds_the_latest_of_each_key() {
        let messages = [
            message("check:a", Kind::Trouble, State::Critical),
            message("check:b", Kind::Trouble, State::Failed),
            message("check:a", Kind::Recovery, State::Ok),
        ];
        let digest = Message::digest(&messages, messages[0].at).unwrap();
        assert_eq!(digest.count, Some(3));
        let parts: Vec<(&str, Kind)> = digest.parts.iter().map(|p| (&*p.key, p.kind)).collect();
        assert_eq!(parts, [("check:b", Kind::Trouble), ("check:a", Kind::Recovery)]);
        assert_eq!(digest.summary, "3 messages about 2 subjects in one: 1 open, 1 over");
        assert_eq!(digest.key, DIGEST);
        assert!(Message::digest(&[], messages[0].at).is_none());
    }

    #[test]
    fn texts_are_cleaned_and_cut() {
        let mut long = message("check:a", Kind::Trouble, State::Critical);
        long.summary = "ä".repeat(2 * LONGEST);
        long.details = (0..30).map(|n| format!("secret {n}")).collect();
        let short = long.cleaned(&|text| text.replace("secret", "[secret]"));
        assert!(short.summary.len() <= LONGEST && short.summary.ends_with("ä…"));
        assert_eq!(short.details.len(), DETAILS);
        assert_eq!(short.details[0], "[secret] 0");
        assert_eq!(short.details[9], "and 21 more");
    }

    #[test]
    fn a_message_reads_back() {
        let told = message("check:a", Kind::Trouble, State::NoSpace);
        let text = serde_json::to_string(&told).unwrap();
        assert!(
            text.contains("\"state\":\"no-space\"") && text.contains("\"severity\":\"critical\""),
            "{text}"
        );
        assert!(!text.contains("parts"), "{text}");
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), told);
        assert_eq!(told.title(), "[o] check:a is no space");
    }
}
