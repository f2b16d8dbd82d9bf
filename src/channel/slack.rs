//! `slack`: an incoming webhook of Slack, or of a compatible server (Mattermost, Rocket.Chat).
//!
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/>
//! Pure. Invariant: nothing in a message becomes a link, a mention or a format.

use super::answer::verdict;
use super::line::Room;
use super::message::Message;
use super::request::HttpRequest;
use super::service::{MessageScope, ServiceSetting, SettingKind, WebServiceSpec};
use super::text;
use serde_json::json;

pub const SLACK: WebServiceSpec = WebServiceSpec {
    summary: "an incoming webhook of Slack, or of a compatible server",
    example: "slack { url from-env=\"SLACK_URL\"; }",
    settings: &[ServiceSetting {
        name: "url",
        kind: SettingKind::SecretUrl,
        variable: "SLACK_URL",
        summary: "the webhook's URL; anyone who has it can post",
        example: "url from-env=\"SLACK_URL\"",
        ..ServiceSetting::REQUIRED
    }],
    custom_headers: false,
    scope: MessageScope::Changes,
    requests: |message, settings| {
        Ok(vec![HttpRequest::json(
            settings.required("url")?.clone(),
            &document(message),
        )])
    },
    verdict,
};

/// Slack hides more than this until someone clicks.
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

fn document(message: &Message) -> serde_json::Value {
    json!({
        "text": text::whole(message, ROOM),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests as samples;
    use super::*;

    #[test]
    fn nothing_in_it_has_a_meaning() {
        let mut message = samples::trouble();
        message.summary = "<!channel> & <https://a|b> *bold*".to_owned();
        let document = document(&message);
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }

    #[test]
    fn it_is_short_enough() {
        let document = document(&samples::longest());
        let units = document["text"].as_str().unwrap().encode_utf16().count();
        assert!((3990..=4000).contains(&units), "{units}");
    }
}
