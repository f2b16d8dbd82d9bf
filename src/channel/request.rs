//! One HTTP POST that delivers a message.
//!
//! Made by the web services of this room, sent by `alert`.
//! Invariant: `Debug` shows no URL, no header value and no body: each may hold a secret.

use secrecy::SecretString;
use std::fmt;

pub struct HttpRequest {
    /// A URL alone is often enough to write to a channel.
    pub url: SecretString,
    pub headers: Vec<(String, SecretString)>,
    /// JSON, or text.
    pub body: Vec<u8>,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpRequest")
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

impl HttpRequest {
    pub(super) fn json(url: SecretString, document: &serde_json::Value) -> Self {
        Self {
            url,
            headers: vec![("Content-Type".to_owned(), "application/json".into())],
            body: document.to_string().into_bytes(),
        }
    }
}
