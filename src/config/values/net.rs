//! Addresses, URLs and JSON pointers: forms of what probes and channels say over the network.
//!
//! Takes their text, gives it checked, or the finding with what was meant. Asks no name server and connects to nothing.
//! Invariant: a port is never 0, and an IPv6 address is known by its brackets.

use super::Checker;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::reader::Datum;
use crate::model::check::Address;
use std::net::Ipv6Addr;

/// Why a text is no `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NoAddress {
    #[error("the port is missing")]
    NoPort,
    #[error("a port is a number from 1 to 65535")]
    Port,
    #[error("a URL, not host and port")]
    Url,
    #[error("the host is missing")]
    NoHost,
    #[error("an IPv6 address stands in brackets")]
    Brackets,
    #[error("what stands in brackets is no IPv6 address")]
    NoIpv6,
    #[error("a host is letters, digits, `-`, `_` and `.`")]
    Host,
}

/// The host of an address or URL, without brackets.
fn host(text: &str) -> Result<&str, NoAddress> {
    if let Some(inside) = text.strip_prefix('[') {
        let inside = inside.strip_suffix(']').ok_or(NoAddress::Brackets)?;
        return inside
            .parse::<Ipv6Addr>()
            .map(|_| inside)
            .map_err(|_| NoAddress::NoIpv6);
    }
    if text.is_empty() {
        return Err(NoAddress::NoHost);
    }
    if text.contains(':') {
        return Err(NoAddress::Brackets);
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let dots = text.strip_suffix('.').unwrap_or(text);
    let labels = dots.split('.').all(|label| !label.is_empty() && label.len() <= 63);
    let whole = text.len() <= 253 && labels && text.chars().all(fine);
    whole.then_some(text).ok_or(NoAddress::Host)
}

fn port(text: &str) -> Result<u16, NoAddress> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number: u16 = text.parse().ok().filter(|_| digits).ok_or(NoAddress::Port)?;
    if number == 0 { Err(NoAddress::Port) } else { Ok(number) }
}

/// `host:port`, `[::1]:port`.
fn parse_address(text: &str) -> Result<Address, NoAddress> {
    if text.is_empty() {
        return Err(NoAddress::NoHost);
    }
    if text.contains("://") {
        return Err(NoAddress::Url);
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(NoAddress::Brackets);
    }
    let split = if text.ends_with(']') {
        None
    } else {
        text.rsplit_once(':')
    };
    let Some((before, after)) = split else {
        host(text)?;
        return Err(NoAddress::NoPort);
    };
    let host = host(before)?;
    if after.is_empty() {
        return Err(NoAddress::NoPort);
    }
    Ok(Address {
        host: host.to_owned(),
        port: port(after)?,
    })
}

/// Why a text is no URL of a web server.
fn bad_url(text: &str) -> Option<String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("holds a blank or an invisible character".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some("does not begin with `http://` or `https://`".to_owned());
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

/// Why a text is no `name@host`. Quoted names, which nobody has, are none either.
fn bad_mail(text: &str) -> Option<&'static str> {
    let Some((name, place)) = text.rsplit_once('@') else {
        return Some("has no `@`");
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || "()<>[]:;@\\,\"".contains(c);
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if name.is_empty() {
        Some("the name before the `@` is missing")
    } else if name.chars().any(odd) || dots || name.len() > 64 {
        Some("no name of a mailbox stands before the `@`")
    } else if place.is_empty() || host(place).is_err() || place.parse::<Ipv6Addr>().is_ok() {
        Some("no name of a host stands after the `@`")
    } else {
        None
    }
}

impl Checker<'_> {
    pub(super) fn address(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let why = match parse_address(text) {
            Ok(address) => return Ok(Datum::Address(address)),
            Err(why) => why,
        };
        let finding = self.finding(
            Code::BadValue,
            format!("`{}` is no address", excerpt(text)),
            &why.to_string(),
        );
        let meant = meant_address(text, why, self.setting);
        Err(Box::new(match meant.filter(|meant| parse_address(meant).is_ok()) {
            Some(meant) => finding.help(format!("write `{}`", (self.line)(&format!("\"{meant}\"")))),
            None if why == NoAddress::NoPort => {
                let example = format!("\"{}:443\"", excerpt(text.trim_end_matches(':')));
                finding.help(format!("write the port as well, such as `{}`", (self.line)(&example)))
            }
            None => finding.help(format!("write {}", self.ty.form())),
        }))
    }

    /// `http://…` or `https://…`.
    pub(super) fn url(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let Some(why) = bad_url(text) else {
            return Ok(Datum::Text(text.to_owned()));
        };
        let finding = self.finding(
            Code::BadValue,
            format!("`{}` is no URL of a web server", excerpt(text)),
            &why,
        );
        let meant = format!("https://{}", text.trim().trim_start_matches('/'));
        let bare = !text.contains("://") && !text.is_empty() && bad_url(&meant).is_none();
        Err(Box::new(if bare {
            finding.help(format!("write `{}`", (self.line)(&format!("\"{}\"", excerpt(&meant)))))
        } else {
            finding.help(format!(
                "for example `{}`",
                (self.line)("\"https://example.com/health\"")
            ))
        }))
    }

    pub(super) fn mail(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let Some(why) = bad_mail(text) else {
            return Ok(Datum::Text(text.to_owned()));
        };
        let finding = self.finding(
            Code::BadValue,
            format!("`{}` is no address of a mailbox", excerpt(text)),
            why,
        );
        // `Somebody <name@host>`
        let inside = text
            .rsplit_once('<')
            .and_then(|(_, rest)| rest.trim_end().strip_suffix('>'));
        let meant = inside
            .or_else(|| text.trim().strip_prefix("mailto:"))
            .unwrap_or(text.trim());
        Err(Box::new(if bad_mail(meant).is_none() {
            finding.help(format!("write `{}`", (self.line)(&format!("\"{}\"", excerpt(meant)))))
        } else {
            finding.help(format!("for example `{}`", (self.line)("\"ops@example.com\"")))
        }))
    }

    /// Empty for all of the answer, or `/a/b`.
    pub(super) fn pointer(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && escapes {
            return Ok(Datum::Text(text.to_owned()));
        }
        let (label, meant) = if escapes {
            let path = text.trim_start_matches("$.").trim_start_matches(['$', '.']);
            ("does not begin with `/`", format!("/{}", path.replace('.', "/")))
        } else {
            ("`~` is written `~0`", text.replace('~', "~0"))
        };
        let finding = self.finding(Code::BadValue, format!("`{}` is no JSON pointer", excerpt(text)), label);
        Err(Box::new(finding.help(format!(
            "write `{}`",
            (self.line)(&format!("\"{}\"", excerpt(&meant)))
        ))))
    }
}

/// The address that was probably meant.
fn meant_address(text: &str, why: NoAddress, setting: &str) -> Option<String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let place = rest.split(['/', '?', '#']).next()?;
        let standard = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => "",
        };
        let known = parse_address(place).is_ok();
        return Some(if known {
            place.to_owned()
        } else {
            format!("{place}{standard}")
        });
    }
    if text.parse::<Ipv6Addr>().is_ok() && setting == "tls-expiry" {
        return Some(format!("[{text}]:443"));
    }
    match why {
        NoAddress::Brackets => {
            let (address, number) = text.rsplit_once(':')?;
            Some(format!("[{address}]:{number}"))
        }
        NoAddress::NoPort if setting == "tls-expiry" => Some(format!("{}:443", text.trim_end_matches(':'))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |text: &str| parse_address(text).map(|address| (address.host, address.port));
        assert_eq!(parse("db.example.com:5432"), Ok(("db.example.com".to_owned(), 5432)));
        assert_eq!(parse("[::1]:80"), Ok(("::1".to_owned(), 80)));
        assert_eq!(parse("127.0.0.1:1"), Ok(("127.0.0.1".to_owned(), 1)));
        for (text, why) in [
            ("", NoAddress::NoHost),
            (":80", NoAddress::NoHost),
            ("host", NoAddress::NoPort),
            ("host:", NoAddress::NoPort),
            ("[::1]", NoAddress::NoPort),
            ("host:0", NoAddress::Port),
            ("host:65536", NoAddress::Port),
            ("host:+80", NoAddress::Port),
            ("::1", NoAddress::Brackets),
            ("fe80::1:80", NoAddress::Brackets),
            ("[::1:80", NoAddress::Brackets),
            ("[x]:80", NoAddress::NoIpv6),
            ("tcp://a:80", NoAddress::Url),
            ("a b:80", NoAddress::Host),
            ("a..b:80", NoAddress::Host),
        ] {
            assert_eq!(parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn mailboxes() {
        for good in ["a@b", "ops+night@mail.example.com", "büro@example.com", "x@localhost"] {
            assert_eq!(bad_mail(good), None, "{good}");
        }
        for bad in [
            "", "a", "@b", "a@", "a b@c", "A <a@b>", "a@b, c@d", ".a@b", "a..b@c", "a@b c", "\"a\"@b",
        ] {
            assert!(bad_mail(bad).is_some(), "{bad}");
        }
    }

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
