//! Secrets that are hardly any: too short, or a common word.
//!
//! They are masked like others, wherever their letters occur, so that a text may become unreadable without a visible reason.
//! Invariant: a message never holds the secret.

/// Shorter secrets are guessed at once.
const MIN_BYTES: usize = 4;

/// Placeholders, and words that any program prints.
const COMMON_WORDS: &str = "true false none null nil yes test testing admin root user login guest default example sample \
     changeme change-me placeholder dummy password passwd passphrase secret token pass word letmein qwerty 1234 12345 \
     123456 12345678 error warning info debug failed failure success done file name data value backup local localhost \
     production staging prod demo foobar todo tbd xxxx";

/// Why a text is hardly a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretDoubt {
    #[error("has fewer than {MIN_BYTES} bytes")]
    Short,
    #[error("is a common word")]
    CommonWord,
}

impl SecretDoubt {
    pub fn about(secret: &str) -> Option<Self> {
        if secret.len() < MIN_BYTES {
            return Some(Self::Short);
        }
        let common = COMMON_WORDS
            .split_whitespace()
            .any(|word| word.eq_ignore_ascii_case(secret));
        common.then_some(Self::CommonWord)
    }

    pub const HELP: &'static str =
        "store the real secret there: every place where this text occurs is shown as `[secret]`";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hardly_a_secret() {
        for (secret, doubt) in [
            ("a", Some(SecretDoubt::Short)),
            ("\u{e4}b", Some(SecretDoubt::Short)),
            ("Password", Some(SecretDoubt::CommonWord)),
            ("abcd", None),
            ("correct horse", None),
        ] {
            assert_eq!(SecretDoubt::about(secret), doubt, "{secret}");
        }
    }
}
