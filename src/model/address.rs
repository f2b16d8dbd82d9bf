//! URLs as people may see them: which parameters are secrets by their name.
//!
//! Pure. Invariant: a URL that is shown holds no value of such a parameter, and no password.

use std::borrow::Cow;

/// Replaces what may not be shown.
const MARK: &str = "[secret]";

/// Whole names, without `-`, `_` and `.`.
const NAMES: &str = "sig hmac jwt pass pwd auth authorization bearer credential credentials passphrase sessionid";
/// Ends of names: `access_token`, `X-Amz-Signature`.
const ENDS: [&str; 6] = ["token", "key", "secret", "password", "passwd", "signature"];

/// True for the name of a parameter whose value is a secret: `token`, `api_key`, `sig`.
pub fn is_secret_parameter(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    ENDS.iter().any(|end| name.ends_with(end)) || NAMES.split(' ').any(|known| known == name)
}

/// A URL without the values of secret parameters and without its password.
pub fn shown_address(url: &str) -> Cow<'_, str> {
    let Some(scheme) = url.find("://") else {
        return Cow::Borrowed(url);
    };
    let (scheme, rest) = url.split_at(scheme + 3);
    let (place, asked) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let mut text = scheme.to_owned();
    match place.rsplit_once('@').map(|(who, host)| (who.split_once(':'), host)) {
        Some((Some((user, _)), host)) => text.extend([user, ":", MARK, "@", host]),
        _ => text.push_str(place),
    }
    for pair in asked.split_inclusive(['?', '&', ';', '#']) {
        let end = pair.len() - usize::from(pair.ends_with(['?', '&', ';', '#']));
        let (pair, separator) = pair.split_at(end);
        match pair
            .split_once('=')
            .filter(|(name, value)| is_secret_parameter(name) && !value.is_empty())
        {
            Some((name, _)) => text.extend([name, "=", MARK, separator]),
            None => text.extend([pair, separator]),
        }
    }
    if text == url {
        Cow::Borrowed(url)
    } else {
        Cow::Owned(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_parameters_and_passwords_are_not_shown() {
        for (url, shown) in [
            ("https://host/a?token=x", "https://host/a?token=[secret]"),
            (
                "https://host/a?room=ops&api_key=x&v=2#t",
                "https://host/a?room=ops&api_key=[secret]&v=2#t",
            ),
            ("https://host/a#access_token=x", "https://host/a#access_token=[secret]"),
            (
                "https://me:pass@host:1/?sig=a%20b",
                "https://me:[secret]@host:1/?sig=[secret]",
            ),
            ("https://me@host/?key=&page=2", "https://me@host/?key=&page=2"),
            ("token=x", "token=x"),
        ] {
            assert_eq!(shown_address(url), shown);
        }
    }

    #[test]
    fn names_of_secrets() {
        for name in [
            "token",
            "Access-Token",
            "api_key",
            "X-Amz-Signature",
            "sig",
            "client_secret",
            "auth",
        ] {
            assert!(is_secret_parameter(name), "{name}");
        }
        for name in ["room", "v", "keyboard", "author", "sigma", ""] {
            assert!(!is_secret_parameter(name), "{name}");
        }
    }
}
