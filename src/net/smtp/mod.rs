//! One message to a mail server (RFC 5321), over TLS (RFC 8314), after STARTTLS (RFC 3207), or in clear.
//!
//! Takes a finished message with its envelope and a time limit; gives the reply of the server. Connections, roots and the
//! verification of certificates are the same as for HTTP. Knows no headers.
//! - `reply`: the replies of a server
//!
//! `lettre`, which makes the mail, has an SMTP client too. Version 0.11 cannot replace this one:
//! - Its TLS settings are built from certificates only. They take no `rustls` configuration, and so not the verifier that
//!   records why a certificate is not trusted.
//! - A connection over our own stream waits for a greeting, which does not come again after STARTTLS.
//! - It reads a reply line to its end, however long, into memory. A reply that is not UTF-8 becomes an I/O error without its
//!   code: a permanent refusal would be tried again, and a message that was accepted would be sent again.
//!
//! Invariant: a login is never sent over a connection that should be encrypted and is not, no line holds a line end, and no
//! error holds a secret.

mod reply;

pub use reply::Reply;

use super::error::{ConnectionEnd, Fault, NetError, Stage, foreign};
use super::stage_tracker::StageTracker;
use super::{MailTls, tcp, tls, trust};
use crate::clock::Stopwatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reply::{ReplyError, SmtpStream};
use secrecy::{ExposeSecret as _, SecretString};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// The server; also the name that its certificate must be for.
    pub host: &'a str,
    pub port: u16,
    pub tls: MailTls,
    /// A PEM file, trusted besides the certificates of the system.
    pub ca_file: Option<&'a Path>,
    pub login: Option<(&'a SecretString, &'a SecretString)>,
    pub from: &'a str,
    pub to: &'a [String],
    /// Headers and body, in lines that end with CRLF.
    pub message: &'a [u8],
    /// For the whole conversation.
    pub limit: Duration,
}

#[derive(Debug, Clone)]
pub struct MailAttempt {
    /// The reply to the message. It was accepted for all recipients but the refused ones.
    pub result: Result<Reply, MailError>,
    /// Each with its reply.
    pub refused: Vec<(String, Reply)>,
}

/// What is known of a conversation, however it ends.
#[derive(Debug, Default)]
struct Progress {
    accepted: OnceLock<Reply>,
    refused: Mutex<Vec<(String, Reply)>>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum MailError {
    #[error(transparent)]
    Net(#[from] NetError),
    /// The reply is not SMTP.
    #[error("{place}: {why}")]
    Garbled { place: String, why: &'static str },
    #[error("{place}: the server refused {asked}: {reply}")]
    Refused {
        place: String,
        asked: SmtpRequest,
        reply: Reply,
    },
    /// The connection ended in place of a reply.
    #[error("{place}: {} before {}", how.words(), asked.awaited())]
    Cut {
        place: String,
        how: ConnectionEnd,
        asked: SmtpRequest,
    },
    #[error("{place}: the server does not offer {what}")]
    Missing { place: String, what: &'static str },
    #[error("`{0}` is not a valid e-mail address")]
    Address(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SmtpRequest {
    #[error("the connection")]
    Greeting,
    /// EHLO.
    #[error("the connection")]
    Hello,
    #[error("STARTTLS")]
    Tls,
    #[error("the login")]
    Login,
    #[error("the sender")]
    Sender,
    /// RCPT for each of them.
    #[error("every recipient")]
    Recipients,
    #[error("the message")]
    Message,
}

impl SmtpRequest {
    /// What comes next from the server.
    fn awaited(self) -> String {
        match self {
            Self::Greeting => "the server's greeting".to_owned(),
            Self::Hello => "the reply to EHLO".to_owned(),
            Self::Recipients => "the reply to a recipient".to_owned(),
            asked => format!("the reply to {asked}"),
        }
    }
}

impl MailError {
    /// Redacts the reply, before it is cut to a line.
    pub fn redacted(mut self, redact: &(dyn Fn(&str) -> String + Sync)) -> Self {
        if let Self::Refused { reply, .. } = &mut self {
            *reply = reply.clone().redacted(redact);
        }
        self
    }

    /// The server will never accept this message. A refused connection and a missing STARTTLS may pass.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Net(_) | Self::Garbled { .. } | Self::Cut { .. } => false,
            Self::Refused { asked, reply, .. } => {
                reply.is_final() && !matches!(asked, SmtpRequest::Greeting | SmtpRequest::Hello | SmtpRequest::Tls)
            }
            Self::Missing { what, .. } => *what != STARTTLS,
            Self::Address(_) => true,
        }
    }
}

const STARTTLS: &str = "STARTTLS";

/// The reply of a server that closes the connection (RFC 5321, section 3.8).
const CLOSING: u16 = 421;

/// A server that closes the connection because of one recipient is asked again without that one.
pub async fn send(mail: Mail<'_>) -> MailAttempt {
    let mut all = std::iter::once(mail.from).chain(mail.to.iter().map(String::as_str));
    if let Some(address) = all.find(|address| !is_sendable(address)) {
        return MailAttempt {
            result: Err(MailError::Address(foreign(address))),
            refused: Vec::new(),
        };
    }
    let began = Stopwatch::set();
    let mut refused: Vec<(String, Reply)> = Vec::new();
    let mut limit = mail.limit;
    loop {
        let left = |address: &&String| !refused.iter().any(|(known, _)| known == *address);
        let to: Vec<String> = mail.to.iter().filter(left).cloned().collect();
        let attempt = send_once(Mail { to: &to, limit, ..mail }).await;
        let closed = attempt.refused.iter().any(|(_, reply)| reply.code == CLOSING);
        let others = attempt.refused.len() < to.len();
        refused.extend(attempt.refused);
        let broken = matches!(
            &attempt.result,
            Err(MailError::Net(_) | MailError::Garbled { .. } | MailError::Cut { .. })
        );
        if !(broken && closed && others) {
            return MailAttempt {
                result: attempt.result,
                refused,
            };
        }
        limit = mail.limit.saturating_sub(began.elapsed());
    }
}

async fn send_once(mail: Mail<'_>) -> MailAttempt {
    let place = tcp::place(mail.host, mail.port);
    let stage = StageTracker::new(Stage::Roots);
    let progress = Progress::default();
    let conversation = converse(mail, &place, &stage, &progress);
    let ended = stage.within(mail.limit, conversation).await;
    let result = match progress.accepted.into_inner() {
        // The server has the message, however the conversation ended.
        Some(reply) => Ok(reply),
        None => Err(match ended {
            Ok(Err(error)) => error,
            Ok(Ok(())) => NetError::at(&place, Fault::Broken("the server did not answer".to_owned())).into(),
            Err(fault) => NetError::at(&place, fault).into(),
        }),
    };
    let refused = progress.refused.into_inner().unwrap_or_else(PoisonError::into_inner);
    MailAttempt { result, refused }
}

/// Nothing in it ends the address or its line.
fn is_sendable(address: &str) -> bool {
    let fine = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '<' | '>');
    address.contains('@') && address.chars().all(fine)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Offers {
    tls: bool,
    plain: bool,
    login: bool,
    utf8: bool,
}

impl Offers {
    fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        // The first line is a greeting.
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace().map(str::to_ascii_uppercase);
            match words.next().as_deref() {
                Some(STARTTLS) => offers.tls = true,
                Some("SMTPUTF8") => offers.utf8 = true,
                Some("AUTH") => {
                    for word in words {
                        offers.plain |= word == "PLAIN";
                        offers.login |= word == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

async fn converse(mail: Mail<'_>, place: &str, stage: &StageTracker, progress: &Progress) -> Result<(), MailError> {
    if mail.tls == MailTls::None {
        let (stream, me) = connect(mail, place, stage).await?;
        let mut smtp = Conversation::over(stream, mail, place);
        smtp.greeting().await?;
        let offers = smtp.hello(&me).await?;
        return smtp.deliver(&offers, progress).await;
    }
    let (config, verifier) = trust::configure(mail.ca_file, true).await?;
    let (mut stream, me) = connect(mail, place, stage).await?;
    if mail.tls == MailTls::StartTls {
        let mut smtp = Conversation::over(stream, mail, place);
        smtp.greeting().await?;
        if !smtp.hello(&me).await?.tls {
            return Err(smtp.missing(STARTTLS));
        }
        smtp.command(STARTTLS, SmtpRequest::Tls).await?;
        if smtp.stream.has_early_bytes() {
            // Someone on the way wants these bytes to count as a reply after TLS.
            return Err(smtp.broken(ReplyError::Garbled("the server sent more than one reply before TLS")));
        }
        stream = smtp.stream.stream;
    }
    stage.set(Stage::Handshake);
    let shaken = tls::shake(&Arc::new(config), &verifier, mail.host, stream).await;
    let stream = shaken
        .map_err(NetError::from)?
        .map_err(|fault| NetError::at(place, fault))?;
    stage.set(Stage::Answer);
    let mut smtp = Conversation::over(stream, mail, place);
    if mail.tls == MailTls::Tls {
        smtp.greeting().await?;
    }
    // Anyone on the way may have changed the offers before TLS.
    let offers = smtp.hello(&me).await?;
    smtp.deliver(&offers, progress).await
}

/// The connection, and our name on it.
async fn connect(mail: Mail<'_>, place: &str, stage: &StageTracker) -> Result<(TcpStream, String), MailError> {
    stage.set(Stage::Addresses);
    let stream = tcp::reach(mail.host, mail.port, stage).await;
    let stream = stream.map_err(|fault| NetError::at(place, fault))?;
    stage.set(Stage::Answer);
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let me = client_name(&name, stream.local_addr().ok());
    Ok((stream, me))
}

struct Conversation<'a, S> {
    stream: SmtpStream<S>,
    mail: Mail<'a>,
    place: &'a str,
    /// What the server has to reply to.
    asked: SmtpRequest,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Conversation<'a, S> {
    fn over(stream: S, mail: Mail<'a>, place: &'a str) -> Self {
        let stream = SmtpStream::over(stream);
        Self {
            stream,
            mail,
            place,
            asked: SmtpRequest::Greeting,
        }
    }

    async fn greeting(&mut self) -> Result<(), MailError> {
        let reply = self.stream.read_reply().await.map_err(|broken| self.broken(broken))?;
        self.expect(reply, Reply::is_done, SmtpRequest::Greeting).map(drop)
    }

    async fn hello(&mut self, me: &str) -> Result<Offers, MailError> {
        let reply = self.command(&format!("EHLO {me}"), SmtpRequest::Hello).await?;
        Ok(Offers::read(&reply))
    }

    /// From the login to QUIT.
    async fn deliver(&mut self, offers: &Offers, progress: &Progress) -> Result<(), MailError> {
        let mail = self.mail;
        if let Some((user, password)) = mail.login {
            self.asked = SmtpRequest::Login;
            self.login(offers, user.expose_secret(), password.expose_secret())
                .await?;
        }
        let ascii = mail.from.is_ascii() && mail.to.iter().all(|address| address.is_ascii());
        if !ascii && !offers.utf8 {
            return Err(self.missing("SMTPUTF8, which an address needs"));
        }
        let utf8 = if ascii { "" } else { " SMTPUTF8 BODY=8BITMIME" };
        let sender = format!("MAIL FROM:<{}>{utf8}", mail.from);
        self.command(&sender, SmtpRequest::Sender).await?;
        let mut refused: Vec<Reply> = Vec::new();
        self.asked = SmtpRequest::Recipients;
        for address in mail.to {
            let reply = self.line(&format!("RCPT TO:<{address}>")).await?;
            if !reply.is_done() {
                let mut known = progress.refused.lock().unwrap_or_else(PoisonError::into_inner);
                known.push((address.clone(), reply.clone()));
                refused.push(reply);
            }
        }
        if refused.len() == mail.to.len() {
            // If one refusal is temporary, the message is tried again.
            let temporary = refused.iter().position(|reply| !reply.is_final());
            let reply = refused.swap_remove(temporary.unwrap_or(0));
            return Err(self.refused(SmtpRequest::Recipients, reply));
        }
        self.asked = SmtpRequest::Message;
        let reply = self.line("DATA").await?;
        self.expect(reply, Reply::wants_more, SmtpRequest::Message)?;
        let reply = self.exchange(&stuffed(mail.message)).await?;
        let reply = self.expect(reply, Reply::is_done, SmtpRequest::Message)?;
        let _ = progress.accepted.set(reply);
        let _ = tokio::time::timeout(QUIT_TIMEOUT, self.line("QUIT")).await;
        Ok(())
    }

    async fn login(&mut self, offers: &Offers, user: &str, password: &str) -> Result<(), MailError> {
        let mut reply;
        if offers.plain {
            let both = STANDARD.encode(format!("\0{user}\0{password}"));
            reply = self.line(&format!("AUTH PLAIN {both}")).await?;
        } else if offers.login {
            reply = self.line("AUTH LOGIN").await?;
            // The server asks for the one and then the other, in words that no standard fixes.
            for answer in [user, password] {
                self.expect(reply, Reply::wants_more, SmtpRequest::Login)?;
                reply = self.line(&STANDARD.encode(answer)).await?;
            }
        } else {
            return Err(self.missing("a login by PLAIN or LOGIN"));
        }
        self.expect(reply, Reply::is_done, SmtpRequest::Login).map(drop)
    }

    /// A command that ends with its reply.
    async fn command(&mut self, command: &str, asked: SmtpRequest) -> Result<Reply, MailError> {
        self.asked = asked;
        let reply = self.line(command).await?;
        self.expect(reply, Reply::is_done, asked)
    }

    async fn line(&mut self, line: &str) -> Result<Reply, MailError> {
        self.exchange(format!("{line}\r\n").as_bytes()).await
    }

    async fn exchange(&mut self, bytes: &[u8]) -> Result<Reply, MailError> {
        let reply = async {
            self.stream.write(bytes).await?;
            self.stream.read_reply().await
        };
        reply.await.map_err(|broken| self.broken(broken))
    }

    fn expect(
        &self,
        reply: Reply,
        is_expected: impl Fn(&Reply) -> bool,
        asked: SmtpRequest,
    ) -> Result<Reply, MailError> {
        if is_expected(&reply) {
            Ok(reply)
        } else {
            Err(self.refused(asked, reply))
        }
    }

    fn refused(&self, asked: SmtpRequest, reply: Reply) -> MailError {
        let place = self.place.to_owned();
        MailError::Refused { place, asked, reply }
    }

    fn missing(&self, what: &'static str) -> MailError {
        let place = self.place.to_owned();
        MailError::Missing { place, what }
    }

    fn broken(&self, broken: ReplyError) -> MailError {
        let place = self.place.to_owned();
        match broken {
            ReplyError::Stream(fault) => NetError::At { place, fault }.into(),
            ReplyError::Cut(how) => MailError::Cut {
                place,
                how,
                asked: self.asked,
            },
            ReplyError::Garbled(why) => MailError::Garbled { place, why },
        }
    }
}

/// Our name for EHLO (RFC 5321, section 4.1.1.1): a full host name, else our address.
fn client_name(name: &str, local: Option<SocketAddr>) -> String {
    let label = |label: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && label.len() < 64 && label.chars().all(fine)
    };
    if name.contains('.') && name.len() < 254 && name.split('.').all(label) {
        return name.to_owned();
    }
    match local {
        Some(SocketAddr::V4(local)) => format!("[{}]", local.ip()),
        Some(SocketAddr::V6(local)) => format!("[IPv6:{}]", local.ip()),
        None => "[127.0.0.1]".to_owned(),
    }
}

/// The message as it is sent, with its end: lines end with CRLF, and a dot at the beginning of a line is doubled.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    let message = message.strip_suffix(b"\n").unwrap_or(message);
    for line in message.split(|b| *b == b'\n') {
        let begins = out.len();
        // A CR without LF does not end a line, but some servers take it for an end.
        out.extend(line.iter().filter(|b| **b != b'\r'));
        if out.get(begins) == Some(&b'.') {
            out.insert(begins, b'.');
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn offers_are_read_in_any_case() {
        let reply = |lines: &[&str]| Reply {
            code: 250,
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        };
        let all = Offers::read(&reply(&[
            "mail AUTH PLAIN",
            "starttls",
            "Auth cram-md5 login",
            "SMTPUTF8",
            "SIZE 100",
        ]));
        let expected = Offers {
            tls: true,
            plain: false,
            login: true,
            utf8: true,
        };
        assert_eq!(all, expected);
        assert_eq!(Offers::read(&reply(&["STARTTLS"])), Offers::default());
    }

    #[test]
    fn our_name_is_a_full_host_name_or_our_address() {
        let local = "192.0.2.7:1".parse().ok();
        assert_eq!(client_name("web1.example.com", local), "web1.example.com");
        for name in ["web1", "", "a..b", "a.b c", "a.b\r\nQUIT", "bü.ro"] {
            assert_eq!(client_name(name, local), "[192.0.2.7]", "{name:?}");
        }
        assert_eq!(client_name("x", "[2001:db8::1]:1".parse().ok()), "[IPv6:2001:db8::1]");
    }

    #[test]
    fn addresses_end_no_line() {
        for bad in ["", "a", "a@b\r\nDATA", "a@b>", "<a@b", "a b@c", "a@b\u{2028}"] {
            assert!(!is_sendable(bad), "{bad:?}");
        }
        assert!(is_sendable("ops+night@büro.example"));
    }

    proptest! {
        /// The server reads the message that was sent.
        #[test]
        fn a_message_survives_the_line(lines in prop::collection::vec("[.\\ra-z]{0,5}", 1..8)) {
            let clean: Vec<String> = lines.iter().map(|line| line.replace('\r', "")).collect();
            let sent = stuffed((lines.join("\r\n") + "\r\n").as_bytes());
            let text = String::from_utf8(sent).unwrap();
            let (content, rest) = text.split_once("\r\n.\r\n").unwrap_or(("", text.strip_prefix(".\r\n").unwrap_or("?")));
            prop_assert_eq!(rest, "");
            let read: Vec<&str> = content.split("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            prop_assert_eq!(read, clean);
        }
    }
}
