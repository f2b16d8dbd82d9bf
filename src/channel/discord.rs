//! `discord`: a webhook of Discord.
//!
//! <https://docs.discord.com/developers/resources/webhook#execute-webhook>. With `wait=true` Discord answers after it has
//! stored the message, and reports when it has not.
//! Pure. Invariant: no one is mentioned, and never more than the 2000 characters that Discord takes.

use super::answer::verdict;
use super::line::Room;
use super::message::Message;
use super::request::HttpRequest;
use super::service::{MessageScope, ServiceSetting, SettingKind, Settings, WebServiceSpec};
use super::text;
use super::url;
use serde_json::json;

pub const DISCORD: WebServiceSpec = WebServiceSpec {
    summary: "a webhook of Discord",
    example: "discord { url from-env=\"DISCORD_URL\"; }",
    settings: &[ServiceSetting {
        name: "url",
        kind: SettingKind::SecretUrl,
        variable: "DISCORD_URL",
        summary: "the webhook's URL; anyone who has it can post",
        example: "url from-env=\"DISCORD_URL\"",
        ..ServiceSetting::REQUIRED
    }],
    custom_headers: false,
    scope: MessageScope::Changes,
    requests,
    verdict,
};

/// The documentation says "characters"; UTF-16 units are the larger number.
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

fn requests(message: &Message, settings: &Settings) -> Result<Vec<HttpRequest>, String> {
    let document = json!({
        "content": text::whole(message, ROOM),
        "allowed_mentions": { "parse": [] },
        "flags": NO_PREVIEWS,
    });
    let url = url::asking(settings.required("url")?, "wait", "true");
    Ok(vec![HttpRequest::json(url, &document)])
}

#[cfg(test)]
mod tests {
    use super::super::tests as samples;
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn nothing_in_it_has_a_meaning() {
        let mut message = samples::trouble();
        message.summary = "@everyone <@1> **bold** `code` # head".to_owned();
        let settings = Settings::of([("url", "https://discord.com/api/webhooks/1/x?thread_id=2")]);
        let request = requests(&message, &settings).unwrap().remove(0);
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
        let request = requests(&message, &Settings::of([("url", "https://a/")]))
            .unwrap()
            .remove(0);
        let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let units = document["content"].as_str().unwrap().encode_utf16().count();
        assert!((1990..=2000).contains(&units), "{units}");
    }
}
