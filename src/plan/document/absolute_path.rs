//! [`AbsolutePath`]: a path of the plan as JSON.

use serde::Serialize;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An absolute path: a string when it is UTF-8, else its bytes in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum AbsolutePath {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Bytes {
        /// The bytes in base64.
        base64: String,
    },
}

impl From<&Path> for AbsolutePath {
    fn from(path: &Path) -> Self {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes {
                base64: STANDARD.encode(path.as_os_str().as_bytes()),
            },
        }
    }
}
