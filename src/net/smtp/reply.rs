//! The replies of a mail server, and the stream that they come from.
//!
//! Reads [`Reply`]s (RFC 5321, section 4.2) and writes commands. Does not know their order.
//! Invariant: no reply takes more than [`MAX_REPLY_BYTES`] of memory, and a reply that was read before TLS does not count
//! after it.

use super::super::error::{ConnectionEnd, Fault, foreign};
use super::super::tls::fault_after_handshake;
use std::{fmt, io};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A reply has a few lines of at most 512 bytes.
const MAX_REPLY_BYTES: usize = 32 * 1024;

#[derive(Debug)]
pub(super) enum ReplyError {
    Stream(Fault),
    /// The connection ended before the reply did.
    Cut(ConnectionEnd),
    /// The text is not a reply.
    Garbled(&'static str),
}

impl From<io::Error> for ReplyError {
    fn from(error: io::Error) -> Self {
        match (fault_after_handshake(&error), ConnectionEnd::of(error.kind())) {
            (Some(fault), _) => Self::Stream(fault),
            (None, Some(how)) => Self::Cut(how),
            (None, None) => Self::Stream(Fault::from_io(&error)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub lines: Vec<String>,
}

impl Reply {
    /// Redacts the text as a whole, since a secret may go over several lines.
    pub fn redacted(mut self, redact: &(dyn Fn(&str) -> String + Sync)) -> Self {
        self.lines = vec![redact(&self.lines.join(" "))];
        self
    }

    pub(super) fn is_done(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The server waits for the rest of the command.
    pub(super) fn wants_more(&self) -> bool {
        (300..400).contains(&self.code)
    }

    /// Another attempt would be refused, too.
    pub fn is_final(&self) -> bool {
        self.code >= 500
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, foreign(self.lines.join(" ").trim()))
    }
}

/// A connection, and the bytes that were read too early.
pub(super) struct SmtpStream<S> {
    pub(super) stream: S,
    early: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> SmtpStream<S> {
    pub(super) fn over(stream: S) -> Self {
        let early = Vec::new();
        Self { stream, early }
    }

    /// The server sent more than it was asked for.
    pub(super) fn has_early_bytes(&self) -> bool {
        !self.early.is_empty()
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), ReplyError> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    pub(super) async fn read_reply(&mut self) -> Result<Reply, ReplyError> {
        let mut read = 0;
        let mut reply: Option<Reply> = None;
        loop {
            let line = self.line(MAX_REPLY_BYTES.saturating_sub(read)).await?;
            read += line.len();
            let (code, last, text) = parsed(&line).ok_or(ReplyError::Garbled("the server does not speak SMTP"))?;
            let lines = Vec::new();
            let reply = reply.get_or_insert(Reply { code, lines });
            if reply.code != code {
                return Err(ReplyError::Garbled("the lines of a reply have different codes"));
            }
            reply.lines.push(text);
            if last {
                return Ok(reply.clone());
            }
        }
    }

    /// One line with its end.
    async fn line(&mut self, most: usize) -> Result<Vec<u8>, ReplyError> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.early.iter().skip(searched).position(|b| *b == b'\n') {
                let rest = self.early.split_off(searched + end + 1);
                return Ok(std::mem::replace(&mut self.early, rest));
            }
            searched = self.early.len();
            if searched >= most {
                return Err(ReplyError::Garbled("the reply does not end"));
            }
            let mut piece = [0; 4096];
            let read = self.stream.read(&mut piece).await?;
            if read == 0 {
                return Err(ReplyError::Cut(ConnectionEnd::Closed));
            }
            self.early.extend_from_slice(piece.get(..read).unwrap_or_default());
        }
    }
}

/// Code, whether it is the last line, text.
fn parsed(line: &[u8]) -> Option<(u16, bool, String)> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(digits.first(), Some(b'2'..=b'5')) {
        return None;
    }
    let code = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let text = |rest: &[u8]| String::from_utf8_lossy(rest).into_owned();
    match rest {
        [] => Some((code, true, String::new())),
        [b' ', rest @ ..] => Some((code, true, text(rest))),
        [b'-', rest @ ..] => Some((code, false, text(rest))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> (Result<Reply, ReplyError>, bool) {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move {
            theirs.write_all(bytes).await.unwrap();
            drop(theirs);
            let mut line = SmtpStream::over(ours);
            let reply = line.read_reply().await;
            (reply, line.has_early_bytes())
        })
    }

    #[test]
    fn replies_have_one_line_or_several() {
        let (reply, ahead) = read(b"250-one\r\n250-two\r\n250 three\r\n");
        let reply = reply.unwrap();
        assert_eq!(
            (reply.code, reply.lines.as_slice()),
            (250, ["one", "two", "three"].map(str::to_owned).as_slice())
        );
        assert!(!ahead);
        assert_eq!(read(b"220\n").0.unwrap().to_string(), "220 ");
        let (reply, ahead) = read(b"220 go ahead\r\n250 injected\r\n");
        assert_eq!(reply.unwrap().to_string(), "220 go ahead");
        assert!(ahead);
        let colours = read("451 \u{1b}[31mnö\r\n".as_bytes()).0.unwrap();
        assert_eq!(colours.to_string(), "451 \\u{1b}[31mnö");
    }

    #[test]
    fn other_text_is_not_a_reply() {
        for garbage in [
            "HTTP/1.1 400 Bad Request\r\n",
            "150 early\r\n",
            "25\r\n",
            "250x\r\n",
            "\r\n",
            "٢٥٠ \r\n",
        ] {
            let (reply, _) = read(garbage.as_bytes());
            assert!(
                matches!(reply, Err(ReplyError::Garbled("the server does not speak SMTP"))),
                "{garbage:?}"
            );
        }
        assert!(matches!(read(b"250-a\r\n550 b\r\n").0, Err(ReplyError::Garbled(_))));
        assert!(matches!(
            read(b"250-a\r\n").0,
            Err(ReplyError::Cut(ConnectionEnd::Closed))
        ));
        assert!(matches!(
            read(&vec![b'2'; 1 << 17]).0,
            Err(ReplyError::Garbled("the reply does not end"))
        ));
        let endless = "250-x\r\n".repeat(10_000);
        assert!(matches!(
            read(endless.as_bytes()).0,
            Err(ReplyError::Garbled("the reply does not end"))
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_are_heard_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
