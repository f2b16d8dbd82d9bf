//! Time zones: names of the IANA data.
//!
//! Invariant: an offset is never answered with a zone of the opposite sign.

use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Code, Finding, advice_text, excerpt};
use crate::config::language::suggest::nearest;
use crate::time_zone::built_in_names;

impl Checker<'_> {
    pub(super) fn zone(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let refused = match self.zones.zone(text) {
            Ok(zone) => return Ok(Datum::Zone(zone)),
            Err(refused) => refused,
        };
        let names = || built_in_names();
        let wanted = text.replace(' ', "_");
        let label = match refused {
            Some(refused) => refused.to_string(),
            None => "neither in the zone data of this host nor built in".to_owned(),
        };
        let finding = self.finding(
            Code::UnknownTimezone,
            format!("unknown time zone `{}`", excerpt(text)),
            &advice_text(&label),
        );
        // `Seoul` for `Asia/Seoul`, then a typing error.
        let city = names().find(|name| {
            name.rsplit('/')
                .next()
                .is_some_and(|city| city.eq_ignore_ascii_case(&wanted))
        });
        let same = names().find(|name| name.eq_ignore_ascii_case(&wanted));
        // `Etc/GMT+9` is nine hours behind UTC, not ahead of it: never suggested for `GMT+9`.
        let upper = text.to_ascii_uppercase();
        let offset = upper.trim_start_matches("UTC").trim_start_matches("GMT").trim();
        if offset.starts_with(['+', '-']) {
            return Err(finding
                .help(format!(
                    "an offset has no daylight saving time: write a place, such as `{}`, or \"UTC\"",
                    self.with("Asia/Seoul")
                ))
                .into());
        }
        let near = same.or(city);
        let short = text.len() <= 5 && text.chars().all(|c| c.is_ascii_uppercase())
            || text.len() <= 4 && text.chars().all(|c| c.is_ascii_lowercase());
        if near.is_none() && short && !text.is_empty() {
            return Err(finding
                .help(format!(
                    "abbreviations are ambiguous: write a place, such as `{}`, or \"UTC\"",
                    self.with("Asia/Seoul")
                ))
                .into());
        }
        let near = near.or_else(|| nearest(&wanted, names()));
        Err(Box::new(match near {
            Some(near) => finding.help(self.did_you_mean(near)),
            None => finding.help("write an IANA name such as \"Asia/Seoul\", or \"UTC\""),
        }))
    }
}
