//! `discord`: a webhook of Discord.
//!
//! Takes a message and the URL, gives a request: <https://docs.discord.com/developers/resources/webhook#execute-webhook>.
//! With `wait=true` Discord answers after it has stored the message, and says when it has not.
//! Pure. Invariant: nobody is mentioned, and never more than the 2000 characters that Discord takes.

use super::request::Request;
use super::text::{self, Room};
use super::url;
use crate::alert::message::Message;
use secrecy::SecretString;
use serde_json::json;

/// The documentation says "characters"; those of JavaScript are the larger number.
const ROOM: Room = Room {
    most: 2000,
    size: char::len_utf16,
    write,
};

/// `SUPPRESS_EMBEDS`: no previews of links.
const NO_PREVIEWS: u64 = 1 << 2;

/// Before a character that would format.
fn write(c: char, out: &mut String) {
    if matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '#' | '[' | ']') {
        out.push('\\');
    }
    out.push(c);
}

/// A message in the webhook's channel.
pub fn request(message: &Message, url: &SecretString) -> Request {
    let document = json!({
        "content": text::whole(message, ROOM),
        "allowed_mentions": { "parse": [] },
        "flags": NO_PREVIEWS,
    });
    Request::json(url::asking(url, "wait", "true"), &document)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn nothing_in_it_has_a_meaning() {
        let mut message = samples::trouble();
        message.summary = "@everyone <@1> **bold** `code` # head".to_owned();
        let request = request(&message, &"https://discord.com/api/webhooks/1/x?thread_id=2".into());
        assert_eq!(
            request.url.expose_secret(),
            "https://discord.com/api/webhooks/1/x?thread_id=2&wait=true"
        );
        let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }

    #[test]
    fn it_is_short_enough() {
        let mut message = samples::longest();
        message.details[0] = "*_~".repeat(500);
        let request = request(&message, &"https://a/".into());
        let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let units = document["content"].as_str().unwrap().encode_utf16().count();
        assert!((1990..=2000).contains(&units), "{units}");
    }
}
