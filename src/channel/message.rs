//! An alert: one form for all channels, and the JSON document that webhooks and commands receive.
//!
//! Takes what happened, gives a [`Message`]; its JSON Schema is `schemas/alert.schema.json`.
//! Invariant: an `id` names one message, however often it is sent; texts are short and hold no secret.

use crate::model::channel::Severity;
use crate::model::state::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub const FORMAT: u32 = 1;
/// The key of digests, which are about several keys.
pub const DIGEST: &str = "digest";
/// The key of runs as a whole.
pub const RUN: &str = "run";
/// The key of the ops file itself.
pub const CONFIG: &str = "config";
/// The key of the clock.
pub const CLOCK: &str = "clock";
pub const PROBE: &str = "probe";

const MAX_DETAILS: usize = 10;
const MAX_TEXT_BYTES: usize = 1024;
/// As many as are ever joined: a program that receives a digest misses no subject.
const MAX_PARTS: usize = 1000;
const MAX_PART_BYTES: usize = 200;
/// Jobs that the title of a digest names.
const MAX_NAMED_JOBS: usize = 3;

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "opsrun alert, format 1"))]
pub struct Message {
    /// Number of this format: 1.
    pub format: u32,
    /// Names the message; the same each time it is sent, so that receivers can recognize a repetition.
    pub id: String,
    /// What happened.
    pub kind: MessageKind,
    /// A recovery has the severity of the trouble that it ends.
    pub severity: Severity,
    /// The `ops` name.
    pub ops: String,
    /// The host name of the machine.
    pub host: String,
    /// What it is about: the name of a step (`check:broker`, `verify:observer`), `run`, `config`, `clock`, `digest` or `probe`.
    /// Messages of one key arrive in order.
    pub key: String,
    /// The job, `kind:name`, if it is about one.
    pub job: Option<String>,
    /// The present state; null where there is none.
    pub state: Option<State>,
    /// The state that this channel was last notified of, if that is not over.
    pub previous: Option<State>,
    /// What happened, in one line.
    pub summary: String,
    /// What to do next.
    pub help: Option<String>,
    /// Details, one line each; at most 10.
    pub details: Vec<String>,
    /// The id of the run.
    pub run: Option<String>,
    /// The command that shows the run.
    #[serde(default)]
    pub show: Option<String>,
    /// When it happened: RFC 3339, UTC.
    pub at: DateTime<Utc>,
    /// Of a digest: how many messages it joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Of a digest: the latest of each key, what is not over first, and of that the worst; at most 1000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<DigestPart>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// The state is bad, or bad with another severity.
    Trouble,
    /// The state is good again.
    Recovery,
    /// The state changes often; nothing more is sent until it settles.
    Flapping,
    /// The state has stopped changing.
    Settled,
    /// The state is still bad.
    Repeat,
    /// Several messages in one, because of the rate limit.
    Digest,
    /// A run started.
    RunStarted,
    /// A run ended.
    RunFinished,
    /// A test of the channel.
    Probe,
}

impl MessageKind {
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

/// One message of a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DigestPart {
    /// What it is about, as in an alert.
    pub key: String,
    /// The job, `kind:name`, if it is about one.
    #[serde(default)]
    pub job: Option<String>,
    /// What happened.
    pub kind: MessageKind,
    /// The severity.
    pub severity: Severity,
    /// The state.
    pub state: Option<State>,
    /// What happened, in one line.
    pub summary: String,
    /// The id of the run.
    #[serde(default)]
    pub run: Option<String>,
    /// When it happened: RFC 3339, UTC.
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageOrigin {
    pub ops: String,
    pub host: String,
}

impl Message {
    pub fn new(
        origin: &MessageOrigin,
        key: &str,
        kind: MessageKind,
        severity: Severity,
        summary: &str,
        at: DateTime<Utc>,
    ) -> Self {
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
            show: None,
            at,
            count: None,
            parts: Vec::new(),
        }
    }

    /// The start of a run or, with a state, its end.
    pub fn of_run(origin: &MessageOrigin, run: &str, state: Option<State>, summary: &str, at: DateTime<Utc>) -> Self {
        let kind = state.map_or(MessageKind::RunStarted, |_| MessageKind::RunFinished);
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
    pub fn probe(origin: &MessageOrigin, at: DateTime<Utc>) -> Self {
        let summary = "this is a test: nothing is wrong";
        Self::new(origin, PROBE, MessageKind::Probe, Severity::Info, summary, at)
    }

    /// Joins the messages of one channel, oldest first: the latest of each key. `None` for none.
    pub fn digest(messages: &[Self], at: DateTime<Utc>) -> Option<Self> {
        let first = messages.first()?;
        let places = messages.iter().enumerate();
        let latest: BTreeMap<&str, (usize, &Self)> = places.map(|place| (&*place.1.key, place)).collect();
        let mut latest: Vec<(usize, &Self)> = latest.into_values().collect();
        latest.sort_by_key(|(place, message)| (message.is_over(), Reverse(message.severity), *place));
        let origin = MessageOrigin {
            ops: first.ops.clone(),
            host: first.host.clone(),
        };
        let severity = messages.iter().map(|message| message.severity).max()?;
        let over = latest.iter().filter(|(_, message)| message.is_over()).count();
        let (count, open) = (messages.len(), latest.len() - over);
        let subjects = crate::units::plural(latest.len() as u64, "subject", "subjects");
        let summary = format!("{count} messages about {subjects}: {open} open, {over} over");
        let run = first
            .run
            .as_ref()
            .filter(|run| messages.iter().all(|m| m.run.as_ref() == Some(*run)));
        let line = |message: &Self| {
            let text = format!("{}: {}", message.key, message.summary);
            match message.run.as_ref().filter(|_| run.is_none()) {
                Some(run) => format!("{text} (run {run})"),
                None => text,
            }
        };
        // Of several runs: the command that lists them.
        let show = messages
            .iter()
            .find_map(|message| message.show.clone().zip(message.run.clone()));
        let show = show.map(|(show, of)| match run {
            Some(_) => show,
            None => show.replacen(&format!(" {of}"), "", 1),
        });
        Some(Self {
            details: capped(latest.iter().map(|(_, message)| line(message))),
            run: run.cloned(),
            show,
            count: Some(messages.len() as u64),
            parts: latest
                .iter()
                .take(MAX_PARTS)
                .map(|(_, message)| message.part())
                .collect(),
            ..Self::new(&origin, DIGEST, MessageKind::Digest, severity, &summary, at)
        })
    }

    /// True for good news: a recovery, a state that settled as good, a run that succeeded.
    pub fn is_over(&self) -> bool {
        is_over(self.kind, self.state)
    }

    /// Whether it is good news about `key`; `None` for a message that is not about it.
    pub fn is_over_for(&self, key: &str) -> Option<bool> {
        if self.kind != MessageKind::Digest {
            return (self.key == key).then(|| self.is_over());
        }
        let part = self.parts.iter().find(|part| part.key == key);
        part.map(|part| is_over(part.kind, part.state))
    }

    /// The good news in it, each as a message about its key.
    pub fn ends(&self) -> Vec<Self> {
        if self.is_over() {
            return vec![self.clone()];
        }
        let over = self.parts.iter().filter(|part| is_over(part.kind, part.state));
        over.map(|part| Self {
            kind: part.kind,
            severity: part.severity,
            key: part.key.clone(),
            job: part.job.clone(),
            state: part.state,
            summary: part.summary.clone(),
            details: Vec::new(),
            run: part.run.clone(),
            at: part.at,
            count: None,
            parts: Vec::new(),
            ..self.clone()
        })
        .collect()
    }

    /// The first line in a chat, and the subject of a mail.
    pub fn title(&self) -> String {
        let about = &self.key;
        let state = self.state.unwrap_or(State::Unknown);
        let word = state.word();
        let what = match self.kind {
            MessageKind::Trouble => format!("{about} {}", state.predicate()),
            MessageKind::Recovery => format!("{about} recovered: {word}"),
            MessageKind::Flapping => format!("{about} is flapping"),
            MessageKind::Settled => format!("{about} has settled: {word}"),
            MessageKind::Repeat => format!("{about}: still {word}"),
            MessageKind::Digest => self.digest_title(),
            MessageKind::RunStarted => "run started".to_owned(),
            MessageKind::RunFinished => format!("run finished: {word}"),
            MessageKind::Probe => "test".to_owned(),
        };
        format!("[{}] {what}", self.ops)
    }

    /// `12 jobs failed, 3 critical: target:a, target:b, target:c and 9 more; 2 recovered: check:d, check:e`.
    fn digest_title(&self) -> String {
        let mut failed: Vec<(&str, Severity)> = Vec::new();
        for part in self.parts.iter().filter(|part| !is_over(part.kind, part.state)) {
            let job = part.job();
            match failed.iter_mut().find(|(known, _)| *known == job) {
                Some((_, severity)) => *severity = part.severity.max(*severity),
                None => failed.push((job, part.severity)),
            }
        }
        failed.sort_by_key(|(_, severity)| Reverse(*severity));
        let mut recovered: Vec<&str> = Vec::new();
        for part in &self.parts {
            let job = part.job();
            if failed.iter().all(|(known, _)| *known != job) && !recovered.contains(&job) {
                recovered.push(job);
            }
        }
        let jobs = |names: usize| crate::units::plural(names as u64, "job", "jobs");
        let critical = failed.iter().filter(|(_, severity)| *severity == Severity::Critical);
        let critical = match (critical.count(), failed.len()) {
            (0, _) => " with warnings".to_owned(),
            (1, 1) => " failed, critical".to_owned(),
            (critical, all) if critical == all => " failed, all critical".to_owned(),
            (critical, _) => format!(" failed, {critical} critical"),
        };
        let mut parts = Vec::new();
        if !failed.is_empty() {
            let names: Vec<&str> = failed.iter().map(|(job, _)| *job).collect();
            parts.push(format!("{}{critical}: {}", jobs(names.len()), named(&names)));
        }
        if !recovered.is_empty() {
            parts.push(format!("{} recovered: {}", jobs(recovered.len()), named(&recovered)));
        }
        if parts.is_empty() {
            return format!("{} messages", self.count.unwrap_or_default());
        }
        parts.join("; ")
    }

    /// As webhooks and commands are given it.
    pub fn to_json(&self) -> Vec<u8> {
        // It holds nothing that JSON cannot.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// With every text put through `clean`, and cut to what a message may hold.
    pub fn cleaned(mut self, clean: &dyn Fn(&str) -> String) -> Self {
        let text = |text: &str| cut(&clean(text));
        self.summary = text(&self.summary);
        self.help = self.help.as_deref().map(text);
        self.details = capped(self.details.iter().map(|detail| text(detail)));
        self.show = self.show.as_deref().map(clean);
        self
    }

    fn part(&self) -> DigestPart {
        DigestPart {
            key: self.key.clone(),
            job: self.job.clone(),
            kind: self.kind,
            severity: self.severity,
            state: self.state,
            summary: cut_to(&self.summary, MAX_PART_BYTES),
            run: self.run.clone(),
            at: self.at,
        }
    }
}

impl DigestPart {
    /// The job; what it is about, if that is not a job.
    fn job(&self) -> &str {
        self.job.as_deref().unwrap_or(&self.key)
    }
}

fn is_over(kind: MessageKind, state: Option<State>) -> bool {
    match kind {
        MessageKind::Recovery => true,
        MessageKind::Settled | MessageKind::RunFinished => {
            state.is_some_and(|s| matches!(s, State::Ok | State::Nothing))
        }
        MessageKind::Trouble
        | MessageKind::Flapping
        | MessageKind::Repeat
        | MessageKind::Digest
        | MessageKind::RunStarted
        | MessageKind::Probe => false,
    }
}

/// `a, b, c and 9 more`.
fn named(names: &[&str]) -> String {
    // One more name is as short as its count.
    let most = if names.len() <= MAX_NAMED_JOBS + 1 {
        names.len()
    } else {
        MAX_NAMED_JOBS
    };
    let first = names.get(..most).unwrap_or_default().join(", ");
    match names.len() - most {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The first of them, and how many more there are.
fn capped(details: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let all = details.len();
    let most = if all > MAX_DETAILS {
        MAX_DETAILS - 1
    } else {
        MAX_DETAILS
    };
    let more = (all > most).then(|| format!("and {} more", all - most));
    details.take(most).chain(more).collect()
}

/// At most [`MAX_TEXT_BYTES`] bytes.
fn cut(text: &str) -> String {
    cut_to(text, MAX_TEXT_BYTES)
}

/// At most so many bytes, at a character's end.
fn cut_to(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub('…'.len_utf8()));
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: &str, kind: MessageKind, state: State) -> Message {
        let origin = MessageOrigin {
            ops: "o".to_owned(),
            host: "h".to_owned(),
        };
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Message {
            state: Some(state),
            ..Message::new(&origin, key, kind, Severity::Critical, &format!("{key} failed"), at)
        }
    }

    #[test]
    fn a_digest_holds_the_latest_of_each_key() {
        let messages = [
            message("check:a", MessageKind::Trouble, State::Critical),
            message("check:b", MessageKind::Trouble, State::Failed),
            message("check:a", MessageKind::Recovery, State::Ok),
        ];
        let digest = Message::digest(&messages, messages[0].at).unwrap();
        assert_eq!(digest.count, Some(3));
        let parts: Vec<(&str, MessageKind)> = digest.parts.iter().map(|p| (&*p.key, p.kind)).collect();
        assert_eq!(
            parts,
            [("check:b", MessageKind::Trouble), ("check:a", MessageKind::Recovery)]
        );
        assert_eq!(digest.summary, "3 messages about 2 subjects: 1 open, 1 over");
        assert_eq!(digest.key, DIGEST);
        assert!(Message::digest(&[], messages[0].at).is_none());
    }

    #[test]
    fn texts_are_cleaned_and_cut() {
        let mut long = message("check:a", MessageKind::Trouble, State::Critical);
        long.summary = "ä".repeat(2 * MAX_TEXT_BYTES);
        long.details = (0..30).map(|n| format!("secret {n}")).collect();
        let short = long.cleaned(&|text| text.replace("secret", "[secret]"));
        assert!(short.summary.len() <= MAX_TEXT_BYTES && short.summary.ends_with("ä…"));
        assert_eq!(short.details.len(), MAX_DETAILS);
        assert_eq!(short.details[0], "[secret] 0");
        assert_eq!(short.details[9], "and 21 more");
    }

    #[test]
    fn a_message_reads_back() {
        let sent = message("check:a", MessageKind::Trouble, State::NoSpace);
        let text = serde_json::to_string(&sent).unwrap();
        assert!(
            text.contains("\"state\":\"no-space\"") && text.contains("\"severity\":\"critical\""),
            "{text}"
        );
        assert!(!text.contains("parts"), "{text}");
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), sent);
        assert_eq!(sent.title(), "[o] check:a cannot write");
    }
}
