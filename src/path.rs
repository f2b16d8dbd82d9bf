//! [`RelPath`]: a path below a source, as bytes.
//!
//! Takes bytes as the kernel gives them, gives a value that is known to stay below its root
//! (no empty component, no `.` or `..`, no NUL, not absolute) and that orders parents before
//! children. Knows nothing of file systems.
//! Invariant: every `RelPath` that exists passed [`RelPath::new`].

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Longest path that is listed, in bytes: what lies deeper is reported. No copy names a longer one.
pub const LONGEST: usize = 32 * 1024;

/// A path relative to a source: one or more components, separated by `/`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelPath(Box<[u8]>);

impl RelPath {
    /// Accepts bytes that name something strictly below the root; `None` for everything else.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let fine = |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
        bytes.split(|b| *b == b'/').all(fine).then(|| Self(bytes.into()))
    }

    /// `parent/name`, or `name` alone at the root. `None` when the result would leave the root.
    pub fn join(parent: Option<&Self>, name: &[u8]) -> Option<Self> {
        match parent {
            None => Self::new(name),
            Some(parent) => Self::new(&[&*parent.0, name].join(&b'/')),
        }
    }

    /// The bytes, without a leading or trailing `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The directory that holds it; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        let parent = self.parent_bytes();
        (!parent.is_empty()).then(|| Self(parent.into()))
    }

    /// The bytes of the directory that holds it; none at the root.
    pub fn parent_bytes(&self) -> &[u8] {
        let cut = self.0.iter().rposition(|b| *b == b'/');
        cut.and_then(|cut| self.0.get(..cut)).unwrap_or_default()
    }

    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or(&self.0)
    }

    /// All components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/')
    }

    /// Every directory above it, outermost first: `a`, `a/b` for `a/b/c`.
    pub fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        let slashes = self.0.iter().enumerate().filter(|(_, b)| **b == b'/');
        slashes.filter_map(|(at, _)| self.0.get(..at))
    }

    /// True for `other` itself and everything below it.
    pub fn is_within(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&*other.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// Order of a tree walk: by component, so that a directory is followed by all that it holds.
impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |b: &u8| if *b == b'/' { 0 } else { *b };
        self.0.iter().map(key).cmp(other.0.iter().map(key))
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// For people: control characters, backslashes and bytes that are not UTF-8 are escaped (`\n`, `\x9f`),
/// so that one path is always one unambiguous piece of one line.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(&self.0))
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelPath({self})")
    }
}

/// Any bytes of a path, escaped for people as [`RelPath`]'s `Display` does.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '\r' => f.write_str("\\r")?,
                    c if c.is_control() || is_bidi(c) => write!(f, "\\u{{{:x}}}", c as u32)?,
                    c => fmt::Write::write_char(f, c)?,
                }
            }
            for b in chunk.invalid() {
                write!(f, "\\x{b:02x}")?;
            }
        }
        Ok(())
    }
}

/// The bytes that [`Shown`] shows as `text`. Any other text is unchanged.
pub fn unshown(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escape = (*first == b'\\').then(|| escape(after)).flatten();
        rest = if let Some((meant, left)) = escape {
            bytes.extend_from_slice(&meant);
            left
        } else {
            bytes.push(*first);
            after
        };
    }
    bytes
}

/// The bytes that an escape means, and the text after it.
fn escape(after: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (kind, rest) = after.split_first()?;
    let plain = |byte: u8| Some((vec![byte], rest));
    let number = |digits: &[u8]| {
        let hex = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(digits).ok().filter(|_| hex)?;
        u32::from_str_radix(digits, 16).ok()
    };
    match kind {
        b'\\' => plain(b'\\'),
        b'n' => plain(b'\n'),
        b't' => plain(b'\t'),
        b'r' => plain(b'\r'),
        b'x' => {
            let (digits, rest) = rest.split_at_checked(2)?;
            Some((vec![u8::try_from(number(digits)?).ok()?], rest))
        }
        b'u' => {
            let rest = rest.strip_prefix(b"{")?;
            let end = rest.iter().position(|b| *b == b'}')?;
            let c = char::from_u32(number(rest.get(..end)?)?)?;
            Some((c.to_string().into_bytes(), rest.get(end + 1..)?))
        }
        _ => None,
    }
}

/// Characters that reorder or hide the text around them.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The path of a file system object, escaped for people.
pub fn shown(path: &Path) -> Shown<'_> {
    Shown(path.as_os_str().as_bytes())
}

/// Bytes in JSON: a string where they are UTF-8, else `{"base64": "..."}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bytes {
    Text(String),
    Raw { base64: String },
}

impl Bytes {
    pub fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Raw {
                base64: STANDARD.encode(bytes),
            },
        }
    }

    fn decode(self) -> Result<Vec<u8>, DecodeError> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Raw { base64 } => STANDARD.decode(base64),
        }
    }

    /// Bytes of its text.
    pub fn text_len(&self) -> usize {
        let (Self::Text(text) | Self::Raw { base64: text }) = self;
        text.len()
    }

    /// Empty when the base64 is invalid.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.clone().decode().unwrap_or_default()
    }
}

/// A path in JSON, as [`Bytes`].
pub fn serialize_path<S: Serializer>(path: &impl AsRef<Path>, to: S) -> Result<S::Ok, S::Error> {
    Bytes::new(path.as_ref().as_os_str().as_bytes()).serialize(to)
}

pub fn serialize_option<S: Serializer>(path: &Option<impl AsRef<Path>>, to: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => serialize_path(path, to),
        None => to.serialize_none(),
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Bytes::new(&self.0).serialize(to)
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let bytes = Bytes::deserialize(from)?.decode().map_err(D::Error::custom)?;
        if bytes.len() > LONGEST {
            return Err(D::Error::custom(format!("a path of {} bytes is too long", bytes.len())));
        }
        Self::new(&bytes).ok_or_else(|| D::Error::custom(format!("`{}` is not a path below a root", Shown(&bytes))))
    }
}

#[cfg(test)]
impl schemars::JsonSchema for RelPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Path".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A path relative to the source: a string when it is UTF-8, else its bytes in base64.",
            "oneOf": [
                {"type": "string"},
                {"type": "object", "properties": {"base64": {"type": "string"}}, "required": ["base64"], "additionalProperties": false}
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(s: &str) -> RelPath {
        RelPath::new(s.as_bytes()).unwrap()
    }

    #[test]
    fn refuses_what_leaves_the_root() {
        for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b"] {
            assert_eq!(RelPath::new(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn orders_as_a_walk_does() {
        let mut all = [p("a.txt"), p("a/b"), p("a"), p("a-b"), p("b")];
        all.sort();
        assert_eq!(all.map(|p| p.to_string()), ["a", "a/b", "a-b", "a.txt", "b"]);
    }

    #[test]
    fn is_within_respects_components() {
        assert!(p("a/b").is_within(&p("a")));
        assert!(!p("ab").is_within(&p("a")));
    }

    #[test]
    fn shows_hostile_names_on_one_line() {
        let path = RelPath::new(b"a\nb\x9f\\c\x1b[31m").unwrap();
        assert_eq!(path.to_string(), "a\\nb\\x9f\\\\c\\u{1b}[31m");
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for text in [
            &b"a\\"[..],
            b"\\q",
            b"\\x9",
            b"\\x+1",
            b"\\xzz",
            b"\\u{",
            b"\\u{}",
            b"\\u{d800}",
            b"\\u1b",
        ] {
            assert_eq!(unshown(text), text, "{}", Shown(text));
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_can_be_typed(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
            text in "([\\\\nrtxu{}0-9a-f]|\\PC|[\u{200b}-\u{202e}\n\t\r\u{1b}]){0,20}",
        ) {
            for bytes in [bytes, text.into_bytes()] {
                proptest::prop_assert_eq!(unshown(Shown(&bytes).to_string().as_bytes()), bytes);
            }
        }
    }

    #[test]
    fn json_round_trip() {
        for bytes in [&b"a/b"[..], b"a\xff/b\n"] {
            let path = RelPath::new(bytes).unwrap();
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<RelPath>(&json).unwrap(), path);
        }
        assert!(serde_json::from_str::<RelPath>("\"../x\"").is_err());
        let long = |len: usize| serde_json::from_value::<RelPath>("a".repeat(len).into());
        assert!(long(LONGEST).is_ok());
        assert!(long(LONGEST + 1).unwrap_err().to_string().contains("too long"));
    }
}

/// An absolute path: a string when it is UTF-8, else its bytes in base64.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
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
