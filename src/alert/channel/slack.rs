//! `slack`: an incoming webhook of Slack, or of what understands the same (Mattermost, Rocket.Chat).
//!
//! Takes a message and the URL, gives a request: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/>.
//! Pure. Invariant: nothing in a message becomes a link, a mention or a format there.

use super::request::Request;
use super::text::{self, Room};
use crate::alert::message::Message;
use secrecy::SecretString;
use serde_json::json;

/// Slack shows more than this behind a link only.
const ROOM: Room = Room {
    most: 4000,
    size: char::len_utf16,
    write,
};

/// The three characters that have a meaning: <https://docs.slack.dev/messaging/formatting-message-text/>.
fn write(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        c => out.push(c),
    }
}

/// A message in the webhook's channel.
pub fn request(message: &Message, url: SecretString) -> Request {
    let document = json!({
        "text": text::whole(message, ROOM),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
    });
    Request::json(url, &document)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn nothing_in_it_has_a_meaning() {
        let mut message = samples::trouble();
        message.summary = "<!channel> & <https://a|b> *bold*".to_owned();
        let request = request(&message, "https://a/".into());
        let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }

    #[test]
    fn it_is_short_enough() {
        let request = request(&samples::longest(), "https://a/".into());
        let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let units = document["text"].as_str().unwrap().encode_utf16().count();
        assert!((3990..=4000).contains(&units), "{units}");
    }
}
