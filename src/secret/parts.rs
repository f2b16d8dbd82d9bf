//! The parts of a secret that are secrets by themselves: of a URL, and of the value of an authorization header.
//!
//! A server repeats parts of what it is asked, decoded or not; a program prints the token without the word before it.
//! Pure. Invariant: no part is empty.

use crate::model::address::is_secret_parameter;
use crate::units::percent_decoded;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;

/// Every part of a secret that is one too.
pub(super) fn of_secret(secret: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    if let Some(address) = Address::read(secret) {
        address.login(&mut parts);
        address.parameters(&mut parts);
        address.telling_pieces(&mut parts);
        parts.extend(address.target());
    }
    if let Some(credentials) = credentials(secret) {
        parts.insert(credentials.to_owned());
        let login = STANDARD
            .decode(credentials)
            .ok()
            .and_then(|login| String::from_utf8(login).ok());
        if let Some(login) = login.filter(|login| login.contains(':')) {
            parts.extend(login.split_once(':').map(|(_, password)| password.to_owned()));
            parts.insert(login);
        }
    }
    parts.remove("");
    parts
}

/// The parts of an ordinary URL whose names say that they are secrets.
pub(super) fn of_address(url: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    if let Some(address) = Address::read(url) {
        address.login(&mut parts);
        address.parameters(&mut parts);
    }
    parts.remove("");
    parts
}

struct Address<'t> {
    who: &'t str,
    path: &'t str,
    query: &'t str,
    fragment: &'t str,
}

impl<'t> Address<'t> {
    fn read(url: &'t str) -> Option<Self> {
        let (_, rest) = url.split_once("://")?;
        let (place, asked) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (asked, fragment) = asked.split_once('#').unwrap_or((asked, ""));
        let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
        Some(Self {
            who: place.rsplit_once('@').map_or("", |(who, _)| who),
            path,
            query,
            fragment,
        })
    }

    /// User, password, and both as a header has them, in base64.
    fn login(&self, parts: &mut BTreeSet<String>) {
        for part in self.who.splitn(2, ':') {
            add(part, parts);
        }
        if !self.who.is_empty() {
            add(self.who, parts);
            let both = if self.who.contains(':') {
                self.who.to_owned()
            } else {
                format!("{}:", self.who)
            };
            parts.insert(decoded(&both));
        }
    }

    /// Values after names such as `token=`, however short.
    fn parameters(&self, parts: &mut BTreeSet<String>) {
        for pair in self.query.split(['&', ';']).chain(self.fragment.split('&')) {
            if let Some((name, value)) = pair.split_once('=')
                && is_secret_parameter(name)
            {
                add(value, parts);
                // A form writes a space as `+`.
                parts.insert(decoded(&value.replace('+', " ")));
            }
        }
    }

    /// Pieces of path and query that are not ordinary words.
    fn telling_pieces(&self, parts: &mut BTreeSet<String>) {
        for text in [self.path, self.query, self.fragment] {
            for piece in text.split(['/', '&', '=', ':', ';']).filter(|piece| is_telling(piece)) {
                add(piece, parts);
            }
        }
    }

    /// What is asked for as a whole, if it is more than a word.
    fn target(&self) -> Option<String> {
        let words = self.path.split('/').filter(|word| !word.is_empty()).count();
        match (words, self.query) {
            (0 | 1, "") => None,
            (_, "") => Some(self.path.to_owned()),
            (_, query) => Some(format!("{}?{query}", self.path)),
        }
    }
}

/// A part as it is written, and as it is meant.
fn add(part: &str, parts: &mut BTreeSet<String>) {
    parts.insert(part.to_owned());
    parts.insert(decoded(part));
}

fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&percent_decoded(text)).into_owned()
}

/// Too long for a word, or of letters and digits that make none.
fn is_telling(piece: &str) -> bool {
    let has = |is: fn(&u8) -> bool| piece.bytes().any(|byte| is(&byte));
    let capital_inside = piece.bytes().skip(1).any(|byte| byte.is_ascii_uppercase()) && has(u8::is_ascii_lowercase);
    match piece.len() {
        0..6 => false,
        6..8 => has(u8::is_ascii_digit) && (has(u8::is_ascii_alphabetic) || capital_inside),
        8..16 => has(u8::is_ascii_digit) || capital_inside,
        _ => true,
    }
}

/// What follows the scheme in the value of an authorization header.
fn credentials(secret: &str) -> Option<&str> {
    const SCHEMES: [&str; 8] = [
        "Basic",
        "Bearer",
        "Token",
        "ApiKey",
        "Key",
        "GenieKey",
        "Digest",
        "Negotiate",
    ];
    let (scheme, credentials) = secret.trim().split_once(' ')?;
    let credentials = credentials.trim();
    let known = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    (known && !credentials.is_empty()).then_some(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(secret: &str) -> Vec<String> {
        of_secret(secret).into_iter().collect()
    }

    #[test]
    fn the_secret_parts_of_an_address() {
        assert_eq!(parts("http://127.0.0.1:80/health"), Vec::<String>::new());
        assert_eq!(parts("host"), Vec::<String>::new());
        assert_eq!(
            parts("https://me:pass@host/services/T0000B0000/long-enough-to-tell?key=a1b2c3d4e5&v=2"),
            [
                "/services/T0000B0000/long-enough-to-tell?key=a1b2c3d4e5&v=2",
                "T0000B0000",
                "a1b2c3d4e5",
                "long-enough-to-tell",
                "me",
                "me:pass",
                "pass"
            ]
        );
    }

    #[test]
    fn a_parameter_is_a_secret_by_its_name_however_short_it_is() {
        for (query, value) in [
            ("token=abc", "abc"),
            ("room=ops&access_token=x", "x"),
            ("Api-Key=a%2Bb", "a+b"),
            ("sig=q+r", "q r"),
            ("X-Amz-Signature=ab", "ab"),
            ("pwd=p#f", "p"),
        ] {
            let url = format!("https://host/in?{query}");
            assert!(of_secret(&url).contains(value), "{query}");
            assert!(of_address(&url).contains(value), "{query}");
        }
        assert_eq!(
            of_address("https://host/in?room=operations-of-the-house"),
            BTreeSet::new()
        );
    }

    #[test]
    fn the_parts_that_chat_services_and_switches_have() {
        for (url, part) in [
            (
                "https://hc-ping.com/7b2f1c9e-1111-4222-8333-944455556666",
                "7b2f1c9e-1111-4222-8333-944455556666",
            ),
            (
                "https://hooks.slack.com/services/T01/B02/aBcDeF",
                "/services/T01/B02/aBcDeF",
            ),
            (
                "https://api.telegram.org/bot123456:AAx-y_zAAAAAAAAAAA/sendMessage",
                "AAx-y_zAAAAAAAAAAA",
            ),
            ("https://host/hook/aB3xYz", "aB3xYz"),
        ] {
            assert!(of_secret(url).contains(part), "{url}");
        }
    }

    #[test]
    fn the_parts_of_an_authorization() {
        assert_eq!(parts("Bearer hunter2"), ["hunter2"]);
        assert_eq!(
            parts("Basic bWU6aHVudGVyMg=="),
            ["bWU6aHVudGVyMg==", "hunter2", "me:hunter2"]
        );
        assert_eq!(parts("two words"), Vec::<String>::new());
    }
}
