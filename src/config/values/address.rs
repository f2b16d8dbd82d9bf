//! Addresses: `host:port`.
//!
//! Invariant: a port is never 0, and an IPv6 address has brackets.

use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Finding, excerpt};
use crate::model::check::Address;
use std::net::Ipv6Addr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AddressError {
    #[error("the port is missing")]
    NoPort,
    #[error("a port is a number from 1 to 65535")]
    Port,
    #[error("a URL, not host and port")]
    Url,
    #[error("the host is missing")]
    NoHost,
    #[error("an IPv6 address is written in brackets")]
    Brackets,
    #[error("the text in brackets is not an IPv6 address")]
    NoIpv6,
    #[error("a host consists of letters, digits, `-`, `_` and `.`")]
    Host,
}

/// The host of an address or URL, without brackets.
pub(super) fn host(text: &str) -> Result<&str, AddressError> {
    if let Some(inside) = text.strip_prefix('[') {
        let inside = inside.strip_suffix(']').ok_or(AddressError::Brackets)?;
        return inside
            .parse::<Ipv6Addr>()
            .map(|_| inside)
            .map_err(|_| AddressError::NoIpv6);
    }
    if text.is_empty() {
        return Err(AddressError::NoHost);
    }
    if text.contains(':') {
        return Err(AddressError::Brackets);
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let dots = text.strip_suffix('.').unwrap_or(text);
    let labels = dots.split('.').all(|label| !label.is_empty() && label.len() <= 63);
    let whole = text.len() <= 253 && labels && text.chars().all(fine);
    whole.then_some(text).ok_or(AddressError::Host)
}

pub(super) fn port(text: &str) -> Result<u16, AddressError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number: u16 = text.parse().ok().filter(|_| digits).ok_or(AddressError::Port)?;
    if number == 0 {
        Err(AddressError::Port)
    } else {
        Ok(number)
    }
}

/// `host:port`, `[::1]:port`.
fn parse_address(text: &str) -> Result<Address, AddressError> {
    if text.is_empty() {
        return Err(AddressError::NoHost);
    }
    if text.contains("://") {
        return Err(AddressError::Url);
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(AddressError::Brackets);
    }
    let split = if text.ends_with(']') {
        None
    } else {
        text.rsplit_once(':')
    };
    let Some((before, after)) = split else {
        host(text)?;
        return Err(AddressError::NoPort);
    };
    let host = host(before)?;
    if after.is_empty() {
        return Err(AddressError::NoPort);
    }
    Ok(Address {
        host: host.to_owned(),
        port: port(after)?,
    })
}

impl Checker<'_> {
    pub(super) fn address(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let why = match parse_address(text) {
            Ok(address) => return Ok(Datum::Address(address)),
            Err(why) => why,
        };
        let finding = self.bad_value(format!("`{}` is not a valid address", excerpt(text)), &why.to_string());
        let meant = meant_address(text, why, self.setting);
        Err(Box::new(match meant.filter(|meant| parse_address(meant).is_ok()) {
            Some(meant) => finding.help(self.write(&meant)),
            None if why == AddressError::NoPort => {
                let example = format!("\"{}:443\"", excerpt(text.trim_end_matches(':')));
                finding.help(format!("add the port, such as `{}`", (self.line)(&example)))
            }
            None => finding.help(format!("write {}", self.ty.form())),
        }))
    }
}

fn meant_address(text: &str, why: AddressError, setting: &str) -> Option<String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next()?;
        let standard = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => "",
        };
        let known = parse_address(authority).is_ok();
        return Some(if known {
            authority.to_owned()
        } else {
            format!("{authority}{standard}")
        });
    }
    if text.parse::<Ipv6Addr>().is_ok() && setting == "tls-expiry" {
        return Some(format!("[{text}]:443"));
    }
    match why {
        AddressError::Brackets => {
            let (address, number) = text.rsplit_once(':')?;
            Some(format!("[{address}]:{number}"))
        }
        AddressError::NoPort if setting == "tls-expiry" => Some(format!("{}:443", text.trim_end_matches(':'))),
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
            ("", AddressError::NoHost),
            (":80", AddressError::NoHost),
            ("host", AddressError::NoPort),
            ("host:", AddressError::NoPort),
            ("[::1]", AddressError::NoPort),
            ("host:0", AddressError::Port),
            ("host:65536", AddressError::Port),
            ("host:+80", AddressError::Port),
            ("::1", AddressError::Brackets),
            ("fe80::1:80", AddressError::Brackets),
            ("[::1:80", AddressError::Brackets),
            ("[x]:80", AddressError::NoIpv6),
            ("tcp://a:80", AddressError::Url),
            ("a b:80", AddressError::Host),
            ("a..b:80", AddressError::Host),
        ] {
            assert_eq!(parse(text), Err(why), "{text:?}");
        }
    }
}
