//! Addresses made of other addresses.
//!
//! Takes a URL that may be secret and fixed words, gives another. Works on the text: the user's own part stays as written.
//! Pure. Invariant: a fragment is left out, which no server is sent.

use secrecy::{ExposeSecret as _, SecretString};

/// The same with a path below its own.
pub(super) fn below(url: &SecretString, path: &str) -> SecretString {
    let (base, query) = split(url.expose_secret());
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    format!("{}/{path}{query}", base.trim_end_matches('/')).into()
}

/// The same with one more parameter, which holds letters, digits and dashes only.
pub(super) fn asking(url: &SecretString, name: &str, value: &str) -> SecretString {
    let (base, query) = split(url.expose_secret());
    let before = match query {
        Some(query) if !query.is_empty() => format!("{query}&"),
        _ => String::new(),
    };
    format!("{base}?{before}{name}={value}").into()
}

fn split(url: &str) -> (&str, Option<&str>) {
    let url = url.split('#').next().unwrap_or_default();
    url.split_once('?')
        .map_or((url, None), |(base, query)| (base, Some(query)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_parameters_are_added() {
        let below = |url: &str| below(&url.into(), "start").expose_secret().to_owned();
        assert_eq!(below("https://a/b"), "https://a/b/start");
        assert_eq!(below("https://a/b/#c"), "https://a/b/start");
        assert_eq!(below("https://a/b?c=d"), "https://a/b/start?c=d");
        let asking = |url: &str| asking(&url.into(), "x", "1").expose_secret().to_owned();
        assert_eq!(asking("https://a/b"), "https://a/b?x=1");
        assert_eq!(asking("https://a/b?"), "https://a/b?x=1");
        assert_eq!(asking("https://a/b?c=d#e"), "https://a/b?c=d&x=1");
    }
}
