//! URLs of web servers.

use super::address::{host, port};
use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Finding, excerpt};

impl Checker<'_> {
    /// `http://…` or `https://…`.
    pub(super) fn url(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let Some(why) = bad_url(text) else {
            return Ok(Datum::Text(text.to_owned()));
        };
        let finding = self.bad_value(format!("`{}` is not a valid HTTP URL", excerpt(text)), &why);
        let meant = format!("https://{}", text.trim().trim_start_matches('/'));
        let bare = !text.contains("://") && !text.is_empty() && bad_url(&meant).is_none();
        Err(Box::new(if bare {
            finding.help(self.write(&excerpt(&meant)))
        } else {
            finding.help(self.for_example("https://example.com/health"))
        }))
    }
}

fn bad_url(text: &str) -> Option<String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("contains a space or an invisible character".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some("does not start with `http://` or `https://`".to_owned());
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Some("is neither http nor https".to_owned());
    }
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (name, number) = match place.rsplit_once(':') {
        Some((name, number)) if !place.ends_with(']') => (name, Some(number)),
        _ => (place, None),
    };
    let wrong = host(name)
        .err()
        .or_else(|| number.and_then(|number| port(number).err()));
    wrong.map(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for good in [
            "http://a",
            "HTTPS://a.b:8443/c?d=e#f",
            "http://[::1]:8080/",
            "http://user@a/",
        ] {
            assert_eq!(bad_url(good), None, "{good}");
        }
        for bad in [
            "",
            "a",
            "ftp://a",
            "http://",
            "http:///a",
            "http://a:0",
            "http://a:x/",
            "http://a b",
            "file:///a",
        ] {
            assert!(bad_url(bad).is_some(), "{bad}");
        }
    }
}
