//! `webhook`: the message as a JSON document, signed if there is a key.
//!
//! The signature is HMAC-SHA256 (RFC 2104) of exactly the bytes of the body, in `X-Opsrun-Signature: sha256=<hex>`;
//! `Idempotency-Key` is the id of the message, the same each time it is sent.
//! Pure. Invariant: a header of the ops file replaces the one that is set here, and is never sent beside it.

use super::answer::verdict;
use super::message::Message;
use super::request::HttpRequest;
use super::service::{MessageScope, ServiceSetting, SettingKind, Settings, WebServiceSpec};
use crate::units::hex;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

pub const WEBHOOK: WebServiceSpec = WebServiceSpec {
    summary: "a JSON document by POST",
    example: "webhook { url from-env=\"OPS_WEBHOOK\"; }",
    settings: &[
        ServiceSetting {
            name: "url",
            kind: SettingKind::Url,
            variable: "OPS_WEBHOOK",
            summary: "the URL that the document is sent to",
            example: "url \"https://alerts.example.com/opsrun\"",
            ..ServiceSetting::REQUIRED
        },
        ServiceSetting {
            name: "hmac",
            kind: SettingKind::Secret,
            variable: "OPS_WEBHOOK_KEY",
            summary: "the key that the document is signed with",
            example: "hmac from-env=\"OPS_WEBHOOK_KEY\"",
            default: Some("not signed"),
            ..ServiceSetting::OPTIONAL
        },
    ],
    custom_headers: true,
    scope: MessageScope::Changes,
    requests,
    verdict,
};

fn requests(message: &Message, settings: &Settings) -> Result<Vec<HttpRequest>, String> {
    let body = message.to_json();
    let mut headers = vec![
        ("Content-Type".to_owned(), SecretString::from("application/json")),
        ("Idempotency-Key".to_owned(), message.id.as_str().into()),
    ];
    if let Some(key) = settings.get("hmac") {
        let signature = format!("sha256={}", signature(key, &body));
        headers.push(("X-Opsrun-Signature".to_owned(), signature.into()));
    }
    let given = &settings.headers;
    headers.retain(|(name, _)| !given.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
    headers.extend(given.iter().cloned());
    Ok(vec![HttpRequest {
        url: settings.required("url")?.clone(),
        headers,
        body,
    }])
}

fn signature(key: &SecretString, body: &[u8]) -> String {
    // A key of any length is one.
    Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes())
        .map(|mac| hex(&mac.chain_update(body).finalize().into_bytes()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests as samples;
    use super::*;

    fn header<'a>(request: &'a HttpRequest, name: &str) -> Vec<&'a str> {
        let named = request
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.expose_secret()).collect()
    }

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn the_signature_is_that_of_the_rfc() {
        let case = |key: &str, data: &str| signature(&key.into(), data.as_bytes());
        assert_eq!(
            case("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let long = Hmac::<Sha256>::new_from_slice(&[0xaa; 131]).unwrap();
        let long = long.chain_update("Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(
            hex(&long.finalize().into_bytes()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn the_document_is_the_message() {
        let message = samples::trouble();
        let settings = Settings::of([("url", "https://a/"), ("hmac", "key")]);
        let request = requests(&message, &settings).unwrap().remove(0);
        assert_eq!(serde_json::from_slice::<Message>(&request.body).unwrap(), message);
        assert_eq!(header(&request, "idempotency-key"), [message.id.as_str()]);
        assert_eq!(header(&request, "content-type"), ["application/json"]);
        let signed = format!("sha256={}", signature(&"key".into(), &request.body));
        assert_eq!(header(&request, "x-opsrun-signature"), [signed]);
        assert!(!format!("{request:?}").contains("https"), "{request:?}");
    }

    #[test]
    fn headers_of_the_user_come_first() {
        let given = vec![
            ("content-type".to_owned(), "application/x-mine".into()),
            ("Authorization".to_owned(), "Bearer x".into()),
        ];
        let settings = Settings {
            headers: given,
            ..Settings::of([("url", "https://a/")])
        };
        let request = requests(&samples::trouble(), &settings).unwrap().remove(0);
        assert_eq!(header(&request, "content-type"), ["application/x-mine"]);
        assert_eq!(header(&request, "authorization"), ["Bearer x"]);
        assert!(header(&request, "x-opsrun-signature").is_empty());
    }
}
