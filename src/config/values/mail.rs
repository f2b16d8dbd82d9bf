//! E-mail addresses.

use super::address::host;
use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Finding, excerpt};
use std::net::Ipv6Addr;

impl Checker<'_> {
    pub(super) fn mail(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let Some(why) = bad_mail(text) else {
            return Ok(Datum::Text(text.to_owned()));
        };
        let finding = self.bad_value(format!("`{}` is not a valid e-mail address", excerpt(text)), why);
        // `Display Name <name@host>`
        let inside = text
            .rsplit_once('<')
            .and_then(|(_, rest)| rest.trim_end().strip_suffix('>'));
        let meant = inside
            .or_else(|| text.trim().strip_prefix("mailto:"))
            .unwrap_or(text.trim());
        Err(Box::new(if bad_mail(meant).is_none() {
            finding.help(self.write(&excerpt(meant)))
        } else {
            finding.help(self.for_example("ops@example.com"))
        }))
    }
}

/// Quoted names are not accepted: no one has one.
fn bad_mail(text: &str) -> Option<&'static str> {
    let Some((name, domain)) = text.rsplit_once('@') else {
        return Some("has no `@`");
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || "()<>[]:;@\\,\"".contains(c);
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if name.is_empty() {
        Some("the name before the `@` is missing")
    } else if name.chars().any(odd) || dots || name.len() > 64 {
        Some("the text before the `@` is not a mailbox name")
    } else if domain.is_empty() || host(domain).is_err() || domain.parse::<Ipv6Addr>().is_ok() {
        Some("the text after the `@` is not a host name")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
