//! A mail server that is strict about RFC 5321, 3207 and 4954: what it does not allow is told to the test.
//!
//! Takes rules and what to answer in place of what it would; gives the mails that it took. It can speak TLS from the
//! beginning, behind STARTTLS, or not at all, and stall, hang up or say anything at any point.

use crate::support::ca::{Ca, configured};
use crate::support::stub::{self, Wire};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A mail that was taken, or what was not allowed.
pub type Told = Result<Mail, String>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// As it was before it was stuffed with dots.
    pub content: String,
    pub secured: bool,
    /// Beyond ASCII, also in headers.
    pub utf8: bool,
    pub user: Option<String>,
}

/// In place of what the server would answer to a command.
pub enum Instead {
    /// These bytes.
    Say(String),
    /// These bytes, and then nothing until the other side closes.
    Stall(&'static str),
    HangUp,
    /// These bytes, and no more.
    SayAndHangUp(&'static str),
    /// This line, up to a gigabyte of it.
    Endless(&'static str),
}

pub struct Rules {
    pub tls: Option<Arc<ServerConfig>>,
    pub implicit: bool,
    pub offers: Vec<&'static str>,
    /// Who may send; nobody has to say who they are without.
    pub login: Option<(&'static str, &'static str)>,
    /// The beginning of a line; `greeting` and `content` stand for what comes without one.
    pub instead: Vec<(&'static str, Instead)>,
}

impl Rules {
    pub fn in_clear() -> Self {
        Self {
            tls: None,
            implicit: false,
            offers: vec!["8BITMIME"],
            login: None,
            instead: Vec::new(),
        }
    }

    /// With a certificate for 127.0.0.1.
    pub fn starttls(ca: &Ca) -> Self {
        let (leaf, key) = ca.issue(&["127.0.0.1"], -1, 90);
        Self {
            tls: Some(Arc::new(configured(leaf, key))),
            ..Self::in_clear()
        }
    }

    pub fn login(mut self, user: &'static str, password: &'static str, mechanisms: &'static str) -> Self {
        self.login = Some((user, password));
        self.offers.push(mechanisms);
        self
    }

    pub fn instead(mut self, command: &'static str, instead: Instead) -> Self {
        self.instead.push((command, instead));
        self
    }

    pub fn says(self, command: &'static str, reply: &str) -> Self {
        self.instead(command, Instead::Say(format!("{reply}\r\n")))
    }

    pub fn serve(self) -> Server {
        let (tell, told) = channel();
        let rules = Arc::new(self);
        let stub = stub::serve(move |stream, _| {
            let mut session = Session {
                rules: &rules,
                tell: &tell,
                mail: Mail::default(),
                greeted: false,
            };
            session.over(stream);
        });
        Server {
            address: stub.address,
            told,
        }
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub told: Receiver<Told>,
}

impl Server {
    /// The one mail that came by now.
    #[track_caller]
    pub fn mail(&self) -> Mail {
        let mail = self.told.try_recv().unwrap().unwrap();
        self.nothing();
        mail
    }

    /// No mail, and nothing that is not allowed.
    #[track_caller]
    pub fn nothing(&self) {
        assert_eq!(self.told.try_iter().collect::<Vec<_>>(), Vec::<Told>::new());
    }
}

/// The conversation is over.
struct Over;

struct Session<'a> {
    rules: &'a Rules,
    tell: &'a Sender<Told>,
    mail: Mail,
    greeted: bool,
}

impl Session<'_> {
    fn over(&mut self, mut stream: TcpStream) {
        let tls = self.rules.tls.as_ref();
        if !self.rules.implicit {
            if self.say(&mut stream, "greeting", "220 mail.example.com ESMTP").is_err() {
                return;
            }
            if self.commands(&mut stream).is_err() || tls.is_none() {
                return;
            }
        }
        let connection = ServerConnection::new(Arc::clone(tls.unwrap())).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        self.mail.secured = true;
        self.greeted = false;
        if self.rules.implicit && self.say(&mut stream, "greeting", "220 mail.example.com ESMTP").is_err() {
            return;
        }
        let _ = self.commands(&mut stream);
        stream.conn.send_close_notify();
        let _ = std::io::Write::flush(&mut stream);
    }

    /// Until it is over, or TLS is to begin.
    fn commands(&mut self, wire: &mut dyn Wire) -> Result<(), Over> {
        loop {
            let line = self.line(wire, 512)?;
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb {
                "EHLO" => self.hello(wire, rest)?,
                "STARTTLS" => {
                    if !self.greeted || self.mail.secured || self.rules.tls.is_none() {
                        return self.forbidden("STARTTLS out of place");
                    }
                    return self.say(wire, &line, "220 go ahead");
                }
                "AUTH" => self.login(wire, &line, rest)?,
                "MAIL" => self.sender(wire, &line, rest)?,
                "RCPT" => self.recipient(wire, &line, rest)?,
                "DATA" => self.content(wire, &line)?,
                "QUIT" => {
                    self.say(wire, &line, "221 bye")?;
                    return Err(Over);
                }
                _ => return self.forbidden(&format!("unknown command: {line}")),
            }
        }
    }

    fn hello(&mut self, wire: &mut dyn Wire, name: &str) -> Result<(), Over> {
        let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let fine = match literal {
            Some(ip) => ip
                .strip_prefix("IPv6:")
                .unwrap_or(ip)
                .parse::<std::net::IpAddr>()
                .is_ok(),
            None => {
                name.contains('.')
                    && name
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
            }
        };
        if !fine {
            return self.forbidden(&format!("EHLO {name}"));
        }
        self.greeted = true;
        // The domain, and what clients do not know.
        let mut lines = vec!["mail.example.com".to_owned(), "X-NOTHING".to_owned()];
        lines.extend(self.rules.offers.iter().map(|offer| (*offer).to_owned()));
        if self.rules.tls.is_some() && !self.mail.secured {
            lines.push("STARTTLS".to_owned());
        }
        let last = lines.pop().unwrap();
        self.say(wire, "EHLO", &format!("250-{}\r\n250 {last}", lines.join("\r\n250-")))
    }

    fn login(&mut self, wire: &mut dyn Wire, line: &str, rest: &str) -> Result<(), Over> {
        let Some((user, password)) = self.rules.login.filter(|_| self.greeted && self.mail.user.is_none()) else {
            return self.forbidden("AUTH out of place");
        };
        if self.rules.tls.is_some() && !self.mail.secured {
            return self.forbidden("AUTH in clear");
        }
        let offered = |mechanism: &str| {
            let words = self.rules.offers.iter().find_map(|offer| offer.strip_prefix("AUTH "));
            words.is_some_and(|words| words.split(' ').any(|word| word == mechanism))
        };
        let decoded = |text: &str| String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
        let given = match rest.split_once(' ').unwrap_or((rest, "")) {
            ("PLAIN", both) if offered("PLAIN") => decoded(both),
            ("LOGIN", "") if offered("LOGIN") => {
                self.say(wire, line, "334 VXNlcm5hbWU6")?;
                let user = decoded(&self.line(wire, 12_288)?);
                self.say(wire, "user", "334 UGFzc3dvcmQ6")?;
                format!("\0{user}\0{}", decoded(&self.line(wire, 12_288)?))
            }
            _ => return self.forbidden(&format!("AUTH {rest}")),
        };
        if given != format!("\0{user}\0{password}") {
            // Some servers repeat what they were given.
            return self.say(wire, "login", &format!("535 5.7.8 wrong: {}", STANDARD.encode(given)));
        }
        self.mail.user = Some(user.to_owned());
        self.say(wire, "login", "235 welcome")
    }

    fn sender(&mut self, wire: &mut dyn Wire, line: &str, rest: &str) -> Result<(), Over> {
        let Some((from, parameters)) = rest.strip_prefix("FROM:<").and_then(|rest| rest.split_once('>')) else {
            return self.forbidden(line);
        };
        let utf8 = self.rules.offers.contains(&"SMTPUTF8") && parameters == " SMTPUTF8 BODY=8BITMIME";
        let entitled = self.rules.login.is_none() || self.mail.user.is_some();
        let fine = utf8 || parameters.is_empty() && from.is_ascii();
        if !self.greeted || !entitled || !self.mail.from.is_empty() || !fine {
            return self.forbidden(&format!("out of place: {line}"));
        }
        from.clone_into(&mut self.mail.from);
        self.mail.utf8 = utf8;
        self.say(wire, line, "250 ok")
    }

    fn recipient(&mut self, wire: &mut dyn Wire, line: &str, rest: &str) -> Result<(), Over> {
        let to = rest.strip_prefix("TO:<").and_then(|rest| rest.strip_suffix('>'));
        let fine = |to: &&str| !self.mail.from.is_empty() && (self.mail.utf8 || to.is_ascii());
        let Some(to) = to.filter(fine) else {
            return self.forbidden(&format!("out of place: {line}"));
        };
        if self.replaced(line).is_none() {
            self.mail.to.push(to.to_owned());
        }
        self.say(wire, line, "250 ok")
    }

    fn content(&mut self, wire: &mut dyn Wire, line: &str) -> Result<(), Over> {
        if self.mail.to.is_empty() {
            return self.forbidden("DATA without recipients");
        }
        self.say(wire, line, "354 end with a dot")?;
        if self.replaced(line).is_some() {
            return Ok(());
        }
        loop {
            let line = self.line(wire, 1000)?;
            if line == "." {
                break;
            }
            if !line.is_ascii() && !self.mail.utf8 {
                return self.forbidden("a line that is not ASCII");
            }
            self.mail.content += line.strip_prefix('.').unwrap_or(&line);
            self.mail.content += "\r\n";
        }
        if self.replaced("content").is_none() {
            let _ = self.tell.send(Ok(self.mail.clone()));
        }
        self.say(wire, "content", "250 2.0.0 queued as 4711")
    }

    /// A line with its CRLF, no longer than that, which ends here.
    fn line(&self, wire: &mut dyn Wire, most: usize) -> Result<String, Over> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            if !matches!(wire.read(&mut byte), Ok(1)) {
                return Err(Over);
            }
            if byte[0] == b'\n' && !line.ends_with(b"\r") || line.ends_with(b"\r") && byte[0] != b'\n' {
                return self.forbidden("a line that does not end with CRLF");
            }
            line.push(byte[0]);
            if line.len() > most {
                return self.forbidden("a line that is too long");
            }
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8(line).unwrap())
    }

    fn replaced(&self, command: &str) -> Option<&Instead> {
        let found = self
            .rules
            .instead
            .iter()
            .find(|(beginning, _)| command.starts_with(beginning));
        found.map(|(_, instead)| instead)
    }

    fn say(&self, wire: &mut dyn Wire, command: &str, reply: &str) -> Result<(), Over> {
        let reply = match self.replaced(command) {
            None => format!("{reply}\r\n"),
            Some(Instead::Say(other)) => other.clone(),
            Some(Instead::Stall(beginning)) => {
                let _ = wire.write_all(beginning.as_bytes()).and_then(|()| wire.flush());
                stub::stall(wire);
                return Err(Over);
            }
            Some(Instead::HangUp) => return Err(Over),
            Some(Instead::SayAndHangUp(last)) => {
                let _ = wire.write_all(last.as_bytes()).and_then(|()| wire.flush());
                return Err(Over);
            }
            Some(Instead::Endless(line)) => {
                let written = stub::pour(wire, line.repeat(1000).as_bytes(), 1 << 30);
                if written > 64 << 20 {
                    return self.forbidden("it was listened to for ever");
                }
                return Err(Over);
            }
        };
        wire.write_all(reply.as_bytes())
            .and_then(|()| wire.flush())
            .map_err(|_| Over)
    }

    fn forbidden<T>(&self, what: &str) -> Result<T, Over> {
        let _ = self.tell.send(Err(what.to_owned()));
        Err(Over)
    }
}
