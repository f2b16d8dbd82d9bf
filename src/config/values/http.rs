//! Names of request headers, and JSON pointers.

use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Finding, excerpt};

impl Checker<'_> {
    /// The name of a request header: a token of HTTP.
    pub(super) fn header(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if !text.is_empty() && text.chars().all(token) {
            return Ok(Datum::Text(text.to_owned()));
        }
        let odd = text.chars().find(|c| !token(*c));
        let finding = self.bad_value(
            format!("`{}` is not a valid header name", excerpt(text)),
            &odd.map_or_else(
                || "empty".to_owned(),
                |c| format!("`{}` is not allowed in one", excerpt(&c.to_string())),
            ),
        );
        Err(Box::new(match text.split_once(':') {
            Some((name, value)) if !name.is_empty() && name.chars().all(token) => finding.help(format!(
                "write name and value separately: `header \"{name}\" \"{}\"`",
                excerpt(value.trim())
            )),
            _ => finding.help("for example `header \"Accept\" \"application/json\"`"),
        }))
    }

    /// Empty for the whole answer, or `/a/b`.
    pub(super) fn pointer(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && escapes {
            return Ok(Datum::Text(text.to_owned()));
        }
        let (label, meant) = if escapes {
            let path = text.trim_start_matches("$.").trim_start_matches(['$', '.']);
            ("does not start with `/`", format!("/{}", path.replace('.', "/")))
        } else {
            ("`~` is written as `~0`", text.replace('~', "~0"))
        };
        let finding = self.bad_value(format!("`{}` is not a valid JSON pointer", excerpt(text)), label);
        Err(finding.help(self.write(&excerpt(&meant))).into())
    }
}
