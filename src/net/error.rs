//! What can go wrong on the network, in plain words.
//!
//! Takes the errors of the system and of libraries, gives one type with a message and help.
//! Invariant: a message holds no URL, no header value and no text of a peer that could move a terminal's cursor;
//! a caller with secrets redacts it nevertheless.

use crate::blocking::BlockingError;
use crate::path::Shown;
use crate::units::{plural, show_count, show_duration};
use chrono::{DateTime, Utc};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

/// The stages of a call on the network, in order, with what a timeout in each of them means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stage {
    #[error("the CA certificates could not be read")]
    Roots,
    #[error("the name could not be resolved")]
    Addresses,
    #[error("no connection")]
    Connection,
    #[error("no TLS handshake")]
    Handshake,
    #[error("the request could not be sent")]
    Sending,
    #[error("no answer")]
    Answer,
    #[error("the headers of the answer did not end")]
    Headers,
    #[error("the body did not end")]
    Body,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum NetError {
    #[error("{place}: {fault}")]
    At {
        /// Host and port, or words for them where they are secret.
        place: String,
        fault: Fault,
    },
    /// The question could not be asked.
    #[error(transparent)]
    Here(#[from] LocalError),
}

/// What happened between here and a server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    #[error("the name cannot be resolved: {0}")]
    NoAddress(String),
    #[error("{stage} within {}", show_duration(*.after))]
    TimedOut { after: Duration, stage: Stage },
    #[error("connection refused")]
    Refused,
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Broken(String),
    /// The connection was there, and ended before the answer did.
    #[error("{}", cut(*.how, *.progress))]
    Cut {
        how: ConnectionEnd,
        progress: AnswerProgress,
    },
    /// After the handshake.
    #[error("the TLS connection broke: {0}")]
    Secure(String),
    #[error("the server does not speak TLS")]
    NotTls,
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    #[error("the server requires a client certificate")]
    WantsCertificate,
    #[error("its certificate is not trusted: {0}")]
    Distrusted(Distrust),
    #[error("no valid HTTP answer: {0}")]
    Answer(String),
    #[error("more than {0} redirects")]
    Redirects(usize),
    #[error("the server redirects from https to http")]
    Downgrade,
    #[error("the server redirects to a URL that is not http or https")]
    Astray,
    /// This machine does not give what is needed to ask.
    #[error("{0}")]
    Machine(String),
}

/// How a connection ended that should have gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEnd {
    Closed,
    Reset,
}

impl ConnectionEnd {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Closed => "the connection was closed",
            Self::Reset => "the connection was reset",
        }
    }

    pub(super) fn of(kind: io::ErrorKind) -> Option<Self> {
        use io::ErrorKind as Kind;
        match kind {
            Kind::UnexpectedEof => Some(Self::Closed),
            Kind::ConnectionReset | Kind::BrokenPipe | Kind::ConnectionAborted => Some(Self::Reset),
            _ => None,
        }
    }
}

/// How far a request and its answer were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerProgress {
    Sending,
    Sent,
    Headers,
    /// Bytes of the body; how many there should be, where the headers say it.
    Body {
        received: u64,
        expected: Option<u64>,
    },
}

fn cut(how: ConnectionEnd, progress: AnswerProgress) -> String {
    use ConnectionEnd::{Closed, Reset};
    let text = match (how, progress) {
        (Closed, AnswerProgress::Sending) => "the server closed the connection before the request was sent",
        (Reset, AnswerProgress::Sending) => "the connection was reset before the request was sent",
        (Closed, AnswerProgress::Sent) => "the server closed the connection without an answer",
        (Reset, AnswerProgress::Sent) => "the connection was reset before an answer came",
        (Closed, AnswerProgress::Headers) => "the answer ended within its headers",
        (Reset, AnswerProgress::Headers) => "the connection was reset within the headers of the answer",
        (how, AnswerProgress::Body { received, expected }) => {
            let bytes = match expected {
                Some(expected) => format!("{} of {}", show_count(received), plural(expected, "byte", "bytes")),
                None => plural(received, "byte", "bytes"),
            };
            return match (how, expected) {
                (Closed, Some(_)) => format!("the answer ended after {bytes}"),
                (Closed, None) => format!("the answer broke off after {bytes}"),
                (Reset, _) => format!("the connection was reset after {bytes} of the answer"),
            };
        }
    };
    text.to_owned()
}

/// Why a certificate does not prove that the server is who it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("unknown issuer")]
    UnknownIssuer,
    #[error("it expired{}", .0.map(|at| format!(" on {}", at.format("%Y-%m-%d"))).unwrap_or_default())]
    Expired(Option<DateTime<Utc>>),
    #[error("it is not valid before {}", .0.map_or_else(|| "a later time".to_owned(), |at| at.format("%Y-%m-%d").to_string()))]
    NotYetValid(Option<DateTime<Utc>>),
    #[error("wrong name: it is for {}, not for {wanted}", listed(.names))]
    WrongName { wanted: String, names: Vec<String> },
    /// A trusted CA has the issuer's name and another key.
    #[error("a CA of the same name as a trusted one issued it, with another key")]
    OtherIssuer,
    #[error("it is a CA certificate, used for a server")]
    CaAsServer,
    #[error("{0}")]
    Other(String),
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum LocalError {
    #[error("the CA file `{path}` {reason}")]
    CaFile { path: String, reason: String },
    /// Neither the system nor the program has a root.
    #[error("there is no CA certificate to trust")]
    NoRoots,
    #[error("`{0}` cannot be the name in a certificate")]
    Name(String),
    /// Its text is left out, because it may be secret.
    #[error("the URL is not valid: {0}")]
    Url(String),
    /// Its value is left out, because it may be secret.
    #[error("the {part} of the header `{name}` is not valid")]
    Header { name: String, part: &'static str },
    /// The machine does not give what is needed.
    #[error("{0}")]
    Machine(String),
}

impl NetError {
    pub fn at(place: &str, fault: Fault) -> Self {
        Self::At {
            place: place.to_owned(),
            fault,
        }
    }

    /// Nothing is known of the server: the question never left this machine.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Here(_) => true,
            Self::At { fault, .. } => match fault {
                Fault::TimedOut { stage, .. } => *stage == Stage::Roots,
                fault => matches!(fault, Fault::Machine(_)),
            },
        }
    }

    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::At { fault, .. } => fault.help(),
            Self::Here(obstacle) => obstacle.help(),
        }
    }
}

impl LocalError {
    fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::CaFile { .. } => "`ca-file` names a file of PEM certificates, readable for the user that runs opsrun",
            Self::NoRoots => "install the system's CA certificates, or name a `ca-file`",
            Self::Header { .. } => {
                "a header value is one line of printable characters; look for a line end where it comes from"
            }
            Self::Url(_) => "a URL begins with http:// or https:// and names a host",
            Self::Name(_) | Self::Machine(_) => return None,
        })
    }
}

impl Fault {
    fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoAddress(_) => "check the name, and the resolver of this machine",
            Self::TimedOut { .. } => "find out whether it is slow or a firewall drops packets; `timeout` sets the time",
            Self::Refused => "nothing listens there: check host and port, and whether the service runs",
            Self::Unreachable(_) => "check the network of this machine and the route to it",
            Self::NotTls => "check the port; use http:// if it is not meant to speak TLS",
            Self::Distrusted(distrust) => distrust.help(),
            Self::Redirects(_) => "write the URL that the redirects lead to, or fix the loop",
            Self::Downgrade => "name the http:// address itself if that is meant",
            Self::WantsCertificate => "a check has none to give: ask at an address that wants none",
            Self::Astray => "look at the redirect that the server answers with",
            Self::Answer(_) => "check host and port: something else may answer there",
            Self::Cut { .. } => "look at the log of the server, or of the proxy before it",
            Self::Broken(_) | Self::Handshake(_) | Self::Secure(_) | Self::Machine(_) => return None,
        })
    }

    /// What a failed call of the system says.
    pub fn from_io(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        let errno = Errno::from_io_error(error);
        if let Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) = errno {
            return Self::Machine(io_words(error));
        }
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown | Kind::AddrNotAvailable => {
                Self::Unreachable(io_words(error))
            }
            Kind::TimedOut => Self::Unreachable("the connection timed out".to_owned()),
            kind => match ConnectionEnd::of(kind) {
                Some(how) => Self::Broken(how.words().to_owned()),
                None => Self::Broken(io_words(error)),
            },
        }
    }
}

impl Distrust {
    pub fn help(&self) -> &'static str {
        match self {
            Self::UnknownIssuer => {
                "name its CA with `ca-file`, or let the server send the intermediate certificates as well"
            }
            Self::Expired(_) => "renew the certificate, and reload the server",
            Self::NotYetValid(_) => "check the clock of this machine",
            Self::WrongName { .. } => "ask by a name that the certificate is for, or have it issued for this one too",
            Self::OtherIssuer => "the CA has a new certificate: name it with `ca-file`",
            Self::CaAsServer => "issue a certificate for the server with that CA, and name the CA with `ca-file`",
            Self::Other(_) => "look at the certificate, for example with `openssl s_client`",
        }
    }
}

impl From<BlockingError> for LocalError {
    fn from(error: BlockingError) -> Self {
        Self::Machine(error.to_string())
    }
}

/// The words of a system error, without its number.
pub(super) fn io_words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let bare = text.strip_prefix("failed to lookup address information: ");
    foreign(bare.unwrap_or(text))
}

/// Text that was not written by us: control characters escaped, cut to a line.
pub(super) fn foreign(text: &str) -> String {
    const MOST: usize = 160;
    let mut cut: String = text.chars().take(MOST).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    Shown(cut.as_bytes()).to_string()
}

/// The first names of a certificate.
fn listed(names: &[String]) -> String {
    const MOST: usize = 5;
    if names.is_empty() {
        return "no name".to_owned();
    }
    let mut text = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        let _ = write!(text, " and {} more", names.len() - MOST);
    }
    text
}
