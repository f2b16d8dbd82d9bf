//! One message to a mail server (RFC 5321), under TLS (RFC 8314), behind STARTTLS (RFC 3207), or in clear.
//!
//! Takes a message that is ready to be sent, with its envelope and a time limit; gives what the server says. The
//! connection, the roots and the verdict on certificates are those of all other calls.
//! - `reply`: what a server says
//!
//! Knows nothing of headers. Invariant: a login never crosses a way that should be protected and is not, no line that
//! is sent holds an end of line within, and no error holds what is secret.

mod reply;

pub use reply::Reply;

use super::error::{Fault, NetError, Obstacle, foreign};
use super::stage::{Reached, Stage};
use super::{tcp, tls, trust};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reply::{Broken, Line};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// The server; also the name that its certificate must be for.
    pub host: &'a str,
    pub port: u16,
    /// How the way there is protected.
    pub protection: Protection,
    /// Trusted besides the system's own: a PEM file.
    pub ca_file: Option<&'a Path>,
    pub login: Option<(&'a SecretString, &'a SecretString)>,
    pub from: &'a str,
    pub to: &'a [String],
    /// Headers and body, in lines that end with CRLF.
    pub message: &'a [u8],
    /// For everything.
    pub limit: Duration,
}

/// How the way to a server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// In clear first, then TLS; nothing is sent without.
    StartTls,
    /// TLS from the beginning.
    Tls,
    /// Not at all.
    None,
}

/// The server has taken the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub reply: Reply,
    /// Recipients that it did not take it for.
    pub refused: Vec<(String, Reply)>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum MailError {
    #[error(transparent)]
    Net(#[from] NetError),
    /// What came is no SMTP.
    #[error("{place}: {why}")]
    Garbled { place: String, why: &'static str },
    /// The server said no.
    #[error("{place}: it refuses {asked}: {reply}")]
    Refused { place: String, asked: Asked, reply: Reply },
    /// The server does not have what is needed.
    #[error("{place}: it offers no {what}")]
    Lacks { place: String, what: &'static str },
    /// An address that cannot stand in an envelope.
    #[error("`{0}` is no address of a mailbox")]
    Address(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To talk at all.
    Talk,
    Tls,
    Login,
    Sender,
    /// RCPT, every one of them.
    Recipients,
    Message,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Talk => "to talk",
            Self::Tls => "STARTTLS",
            Self::Login => "the login",
            Self::Sender => "the sender",
            Self::Recipients => "every recipient",
            Self::Message => "the message",
        })
    }
}

impl MailError {
    /// With what the server said put through `clean`, before it is cut to a line.
    #[must_use]
    pub fn cleaned(self, clean: &(dyn Fn(&str) -> String + Sync)) -> Self {
        match self {
            Self::Refused { place, asked, reply } => Self::Refused {
                place,
                asked,
                reply: reply.cleaned(clean),
            },
            other => other,
        }
    }

    /// The same message will never be taken. A server that refuses to talk, or lacks protection, may do so for reasons
    /// that pass, or that are not its own.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Net(_) | Self::Garbled { .. } => false,
            Self::Refused { asked, reply, .. } => reply.is_final() && !matches!(asked, Asked::Talk | Asked::Tls),
            Self::Lacks { what, .. } => *what != STARTTLS,
            Self::Address(_) => true,
        }
    }
}

const STARTTLS: &str = "STARTTLS";

/// Sends it.
pub async fn send(mail: Mail<'_>) -> Result<Taken, MailError> {
    for address in std::iter::once(mail.from).chain(mail.to.iter().map(String::as_str)) {
        if !is_sendable(address) {
            return Err(MailError::Address(foreign(address)));
        }
    }
    let place = tcp::place(mail.host, mail.port);
    let reached = Reached::new(Stage::Roots);
    let taken = OnceLock::new();
    let talk = Talk {
        mail,
        place: &place,
        taken: &taken,
    };
    let ended = reached.within(mail.limit, talk.whole(&reached)).await;
    match taken.into_inner() {
        // It has the message, however the conversation ended.
        Some(taken) => Ok(taken),
        None => Err(match ended {
            Ok(Err(error)) => error,
            Ok(Ok(())) => NetError::at(&place, Fault::Broken("it said nothing".to_owned())).into(),
            Err(fault) => NetError::at(&place, fault).into(),
        }),
    }
}

/// Nothing in it ends the address or the line that it stands in.
fn is_sendable(address: &str) -> bool {
    let fine = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '<' | '>');
    address.contains('@') && address.chars().all(fine)
}

/// What the server says that it can do.
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

/// A conversation about a message.
#[derive(Clone, Copy)]
struct Talk<'a> {
    mail: Mail<'a>,
    place: &'a str,
    /// Set once the server has the message.
    taken: &'a OnceLock<Taken>,
}

impl Talk<'_> {
    async fn whole(self, reached: &Reached) -> Result<(), MailError> {
        let mail = self.mail;
        if mail.protection == Protection::None {
            let (stream, me) = self.connect(reached).await?;
            let mut line = Line::over(stream);
            self.greeted(&mut line).await?;
            let offers = self.hello(&mut line, &me).await?;
            return self.deliver(&mut line, &offers).await;
        }
        let name = ServerName::try_from(mail.host.to_owned())
            .map_err(|_| NetError::from(Obstacle::Name(foreign(mail.host))))?;
        let (config, judge) = trust::configure(mail.ca_file, true).await?;
        let (mut stream, me) = self.connect(reached).await?;
        if mail.protection == Protection::StartTls {
            let mut line = Line::over(stream);
            self.greeted(&mut line).await?;
            if !self.hello(&mut line, &me).await?.tls {
                return Err(self.lacks(STARTTLS));
            }
            self.done(&mut line, "STARTTLS", Asked::Tls).await?;
            if line.is_ahead() {
                // Whoever is in between wants it to be taken for an answer behind TLS.
                return Err(self.broken(Broken::Garbled("it says more than it was asked before TLS")));
            }
            stream = line.stream;
        }
        reached.set(Stage::Handshake);
        let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let stream = shaken.map_err(|error| {
            let distrust = judge.seen().and_then(|seen| seen.distrust);
            let fault = distrust.map_or_else(|| tls::fault_of_handshake(&error), Fault::Distrusted);
            NetError::at(self.place, fault)
        })?;
        reached.set(Stage::Answer);
        let mut line = Line::over(stream);
        if mail.protection == Protection::Tls {
            self.greeted(&mut line).await?;
        }
        // What was offered before TLS may have been said by anybody.
        let offers = self.hello(&mut line, &me).await?;
        self.deliver(&mut line, &offers).await
    }

    /// The connection, and who is at this end of it.
    async fn connect(self, reached: &Reached) -> Result<(TcpStream, String), MailError> {
        reached.set(Stage::Addresses);
        let stream = tcp::reach(self.mail.host, self.mail.port, reached).await;
        let stream = stream.map_err(|fault| NetError::at(self.place, fault))?;
        reached.set(Stage::Answer);
        let local = stream.local_addr().ok();
        Ok((
            stream,
            introduction(&rustix::system::uname().nodename().to_string_lossy(), local),
        ))
    }

    async fn greeted(self, line: &mut Line<impl AsyncRead + AsyncWrite + Unpin>) -> Result<(), MailError> {
        let reply = line.hear().await.map_err(|broken| self.broken(broken))?;
        self.wanted(reply, Reply::is_done, Asked::Talk).map(|_| ())
    }

    async fn hello(self, line: &mut Line<impl AsyncRead + AsyncWrite + Unpin>, me: &str) -> Result<Offers, MailError> {
        let reply = self.done(line, &format!("EHLO {me}"), Asked::Talk).await?;
        Ok(Offers::read(&reply))
    }

    /// From the login to the farewell.
    async fn deliver(
        self,
        line: &mut Line<impl AsyncRead + AsyncWrite + Unpin>,
        offers: &Offers,
    ) -> Result<(), MailError> {
        let mail = self.mail;
        if let Some((user, password)) = mail.login {
            self.login(line, offers, user, password).await?;
        }
        let ascii = mail.from.is_ascii() && mail.to.iter().all(|address| address.is_ascii());
        if !ascii && !offers.utf8 {
            return Err(self.lacks("SMTPUTF8, which an address needs"));
        }
        let utf8 = if ascii { "" } else { " SMTPUTF8 BODY=8BITMIME" };
        self.done(line, &format!("MAIL FROM:<{}>{utf8}", mail.from), Asked::Sender)
            .await?;
        let mut refused = Vec::new();
        for address in mail.to {
            let reply = self.ask(line, format!("RCPT TO:<{address}>\r\n").as_bytes()).await?;
            if !reply.is_done() {
                refused.push((address.clone(), reply));
            }
        }
        if refused.len() == mail.to.len() {
            // One that may be taken later is reason enough to come again.
            let passing = refused.iter().position(|(_, reply)| !reply.is_final());
            let (_, reply) = refused.swap_remove(passing.unwrap_or(0));
            return Err(self.refused(Asked::Recipients, reply));
        }
        let reply = self.ask(line, b"DATA\r\n").await?;
        self.wanted(reply, Reply::wants_more, Asked::Message)?;
        let reply = self.ask(line, &stuffed(mail.message)).await?;
        let reply = self.wanted(reply, Reply::is_done, Asked::Message)?;
        let _ = self.taken.set(Taken { reply, refused });
        let _ = tokio::time::timeout(FAREWELL, self.ask(line, b"QUIT\r\n")).await;
        Ok(())
    }

    async fn login(
        self,
        line: &mut Line<impl AsyncRead + AsyncWrite + Unpin>,
        offers: &Offers,
        user: &SecretString,
        password: &SecretString,
    ) -> Result<(), MailError> {
        let (user, password) = (user.expose_secret(), password.expose_secret());
        let mut reply;
        if offers.plain {
            let both = STANDARD.encode(format!("\0{user}\0{password}"));
            reply = self.ask(line, format!("AUTH PLAIN {both}\r\n").as_bytes()).await?;
        } else if offers.login {
            reply = self.ask(line, b"AUTH LOGIN\r\n").await?;
            // It asks for the one and then the other, in words that no standard fixes.
            for answer in [user, password] {
                self.wanted(reply, Reply::wants_more, Asked::Login)?;
                reply = self
                    .ask(line, format!("{}\r\n", STANDARD.encode(answer)).as_bytes())
                    .await?;
            }
        } else {
            return Err(self.lacks("login by PLAIN or LOGIN"));
        }
        self.wanted(reply, Reply::is_done, Asked::Login).map(|_| ())
    }

    /// A command that is over with its reply.
    async fn done(
        self,
        line: &mut Line<impl AsyncRead + AsyncWrite + Unpin>,
        command: &str,
        asked: Asked,
    ) -> Result<Reply, MailError> {
        let reply = self.ask(line, format!("{command}\r\n").as_bytes()).await?;
        self.wanted(reply, Reply::is_done, asked)
    }

    async fn ask(self, line: &mut Line<impl AsyncRead + AsyncWrite + Unpin>, bytes: &[u8]) -> Result<Reply, MailError> {
        let asked = async {
            line.say(bytes).await?;
            line.hear().await
        };
        asked.await.map_err(|broken| self.broken(broken))
    }

    fn wanted(self, reply: Reply, is_fine: impl Fn(&Reply) -> bool, asked: Asked) -> Result<Reply, MailError> {
        if is_fine(&reply) {
            Ok(reply)
        } else {
            Err(self.refused(asked, reply))
        }
    }

    fn refused(self, asked: Asked, reply: Reply) -> MailError {
        MailError::Refused {
            place: self.place.to_owned(),
            asked,
            reply,
        }
    }

    fn lacks(self, what: &'static str) -> MailError {
        MailError::Lacks {
            place: self.place.to_owned(),
            what,
        }
    }

    fn broken(self, broken: Broken) -> MailError {
        match broken {
            Broken::Line(fault) => NetError::at(self.place, fault).into(),
            Broken::Garbled(why) => MailError::Garbled {
                place: self.place.to_owned(),
                why,
            },
        }
    }
}

/// How we introduce ourselves (RFC 5321, section 4.1.1.1): by a name of ours that is one of the Internet's, else by our
/// address.
fn introduction(name: &str, local: Option<SocketAddr>) -> String {
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

/// The message as it crosses the line, with its end: lines end with CRLF, and none of them is a dot.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    let message = message.strip_suffix(b"\n").unwrap_or(message);
    for line in message.split(|b| *b == b'\n') {
        let begins = out.len();
        // One that is not before the other is no end of a line, but some take it for one.
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
    fn we_are_called_by_a_whole_name_or_by_our_address() {
        let local = "192.0.2.7:1".parse().ok();
        assert_eq!(introduction("web1.example.com", local), "web1.example.com");
        for name in ["web1", "", "a..b", "a.b c", "a.b\r\nQUIT", "bü.ro"] {
            assert_eq!(introduction(name, local), "[192.0.2.7]", "{name:?}");
        }
        assert_eq!(introduction("x", "[2001:db8::1]:1".parse().ok()), "[IPv6:2001:db8::1]");
    }

    #[test]
    fn addresses_end_no_line() {
        for bad in ["", "a", "a@b\r\nDATA", "a@b>", "<a@b", "a b@c", "a@b\u{2028}"] {
            assert!(!is_sendable(bad), "{bad:?}");
        }
        assert!(is_sendable("ops+night@büro.example"));
    }

    proptest! {
        /// What a server makes of it is what was meant, whatever stands in it.
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
