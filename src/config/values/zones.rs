//! Time zones: a name of the IANA data, or the one that was meant.
//!
//! Takes the text of a zone, gives the zone, or a finding that tells offsets, abbreviations and slips apart.
//! Invariant: an offset is never answered with a zone of the opposite sign.

use super::Checker;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::nodes::reader::Datum;

impl Checker<'_> {
    pub(super) fn zone(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if let Ok(zone) = text.parse::<chrono_tz::Tz>() {
            return Ok(Datum::Zone(zone));
        }
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let wanted = text.replace(' ', "_");
        let finding = self.finding(
            Code::UnknownTimezone,
            format!("there is no time zone `{}`", excerpt(text)),
            &format!("not in the IANA data {}", chrono_tz::IANA_TZDB_VERSION),
        );
        // `Seoul` for `Asia/Seoul`, then a slip of the hand.
        let city = names().find(|name| {
            name.rsplit('/')
                .next()
                .is_some_and(|city| city.eq_ignore_ascii_case(&wanted))
        });
        let same = names().find(|name| name.eq_ignore_ascii_case(&wanted));
        // `Etc/GMT+9` lies nine hours behind UTC, not ahead: nobody who wrote `GMT+9` is led there.
        let upper = text.to_ascii_uppercase();
        let offset = upper.trim_start_matches("UTC").trim_start_matches("GMT").trim();
        if offset.starts_with(['+', '-']) {
            return Err(Box::new(finding.help(format!(
                "an offset knows no summer time: name a place, such as `{}`, or write \"UTC\"",
                (self.line)("\"Asia/Seoul\"")
            ))));
        }
        let near = same.or(city);
        let short = text.len() <= 5 && text.chars().all(|c| c.is_ascii_uppercase())
            || text.len() <= 4 && text.chars().all(|c| c.is_ascii_lowercase());
        if near.is_none() && short && !text.is_empty() {
            return Err(Box::new(finding.help(format!(
                "abbreviations are ambiguous: name a place in the form `{}`, or write \"UTC\"",
                (self.line)("\"Asia/Seoul\"")
            ))));
        }
        let near = near.or_else(|| nearest(&wanted, names()));
        Err(Box::new(match near {
            Some(near) => finding.help(format!("did you mean `{}`?", (self.line)(&format!("\"{near}\"")))),
            None => finding.help("write an IANA name such as \"Asia/Seoul\", or \"UTC\""),
        }))
    }
}
