//! Globs, and what a list of them selects.
//!
//! Takes the text of patterns, gives matchers on [`RelPath`]s. A pattern without `/` matches the name at any
//! depth, one with `/` the whole relative path; `*` and `?` never cross a `/`, `**` does; case counts.
//! Invariant: a [`Pattern`] that exists can match something; forms that never could are refused with the
//! pattern that was meant.

use crate::path::RelPath;
use globset::{Candidate, Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    glob: Glob,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It could never match a relative path; `meant` is the pattern to write instead.
    #[error("{why}")]
    Never {
        why: &'static str,
        /// The pattern that was meant; `None` when no guess is safe.
        meant: Option<String>,
    },
    #[error("{0}")]
    Syntax(String),
}

impl Pattern {
    /// Accepts a glob that can match a path below a source.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let never = |why, meant: Option<String>| Err(PatternError::Never { why, meant });
        let trimmed = text.trim_start_matches("./").trim_start_matches('/');
        if text.is_empty() || text == "." || text == "./" || text == "/" {
            return never("an empty pattern matches nothing", Some("**".to_owned()));
        }
        if text.contains('\0') {
            return never("no path contains a NUL character", None);
        }
        if text.split('/').any(|part| part == "..") {
            return never("no path below a source has a component `..`", None);
        }
        if text.starts_with('/') {
            return never(
                "patterns are relative to the source: a leading `/` matches nothing",
                Some(tidy(trimmed)),
            );
        }
        if text.split('/').any(|part| part == ".") {
            return never("no path below a source has a component `.`", Some(tidy(text)));
        }
        if text.ends_with('/') {
            return never("a trailing `/` matches nothing", Some(tidy(text) + "/**"));
        }
        if text.contains("//") {
            return never("a double `/` matches nothing", Some(tidy(text)));
        }
        let glob = glob(text).map_err(|e| PatternError::Syntax(e.kind().to_string()))?;
        Ok(Self {
            text: text.to_owned(),
            glob,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// An anchored regular expression over the bytes of a relative path that says the same.
    pub fn to_regex(&self) -> &str {
        self.glob.regex()
    }
}

fn tidy(text: &str) -> String {
    let parts = text.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

fn glob(text: &str) -> Result<Glob, globset::Error> {
    let anywhere = !text.contains('/') && text != "**";
    let before = if anywhere { "**/" } else { "" };
    let full = format!("{before}{text}");
    GlobBuilder::new(&full)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
}

/// Several patterns, compiled: matches when any of them does.
#[derive(Debug, Clone)]
pub struct PatternSet {
    set: GlobSet,
    /// Used instead when the set is too large to be compiled as one: an exclude that silently
    /// matched nothing would widen what may be deleted.
    singly: Vec<GlobMatcher>,
}

impl PatternSet {
    pub fn new(patterns: &[Pattern]) -> Self {
        let globs: Vec<Glob> = patterns.iter().map(|p| p.glob.clone()).collect();
        let mut builder = GlobSetBuilder::new();
        for glob in &globs {
            builder.add(glob.clone());
        }
        match builder.build() {
            Ok(set) => Self {
                set,
                singly: Vec::new(),
            },
            Err(_) => Self {
                set: GlobSet::empty(),
                singly: globs.iter().map(Glob::compile_matcher).collect(),
            },
        }
    }

    /// True when one of them matches this very path.
    pub fn matches(&self, path: &[u8]) -> bool {
        use std::os::unix::ffi::OsStrExt;
        if self.set.is_empty() && self.singly.is_empty() {
            return false;
        }
        let candidate = Candidate::new(std::ffi::OsStr::from_bytes(path));
        self.set.is_match_candidate(&candidate) || self.singly.iter().any(|glob| glob.is_match_candidate(&candidate))
    }
}

/// The include and exclude patterns of a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Empty means everything.
    pub include: Vec<Pattern>,
    pub exclude: Vec<Pattern>,
}

/// A [`Selection`], compiled, to be asked in walk order.
#[derive(Debug, Clone)]
pub struct Selector {
    everything: bool,
    include: PatternSet,
    exclude: PatternSet,
    /// The directory asked about last, and what holds for all below it.
    memory: Option<(Box<[u8]>, SelectionState)>,
}

/// What the patterns say of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectionState {
    /// It, or a directory above it, is included.
    pub included: bool,
    /// It, or a directory above it, is excluded.
    pub excluded: bool,
}

impl SelectionState {
    /// Included and not excluded.
    pub fn selected(self) -> bool {
        self.included && !self.excluded
    }
}

impl Selector {
    pub fn new(selection: &Selection) -> Self {
        Self {
            everything: selection.include.is_empty(),
            include: PatternSet::new(&selection.include),
            exclude: PatternSet::new(&selection.exclude),
            memory: None,
        }
    }

    /// What holds for `path`. Fast when asked in walk order: what holds for its directory is remembered.
    pub fn standing(&mut self, path: &RelPath) -> SelectionState {
        let above = match path.parent_bytes() {
            [] => self.of_root(),
            dir => self.of_dir(dir),
        };
        self.step(above, path.as_bytes())
    }

    fn of_root(&self) -> SelectionState {
        SelectionState {
            included: self.everything,
            excluded: false,
        }
    }

    fn of_dir(&mut self, dir: &[u8]) -> SelectionState {
        if let Some((known, standing)) = &self.memory
            && **known == *dir
        {
            return *standing;
        }
        let mut standing = self.of_root();
        for (at, _) in dir.iter().enumerate().filter(|(_, b)| **b == b'/') {
            standing = self.step(standing, dir.get(..at).unwrap_or_default());
        }
        standing = self.step(standing, dir);
        self.memory = Some((dir.into(), standing));
        standing
    }

    fn step(&self, above: SelectionState, path: &[u8]) -> SelectionState {
        SelectionState {
            included: above.included || self.include.matches(path),
            excluded: above.excluded || self.exclude.matches(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(include: &[&str], exclude: &[&str], path: &str) -> bool {
        let list = |texts: &[&str]| texts.iter().map(|t| Pattern::new(t).unwrap()).collect();
        let mut selector = Selector::new(&Selection {
            include: list(include),
            exclude: list(exclude),
        });
        selector.standing(&RelPath::new(path.as_bytes()).unwrap()).selected()
    }

    #[test]
    fn a_pattern_without_slash_matches_the_name_at_any_depth() {
        assert!(standing(&["*.csv"], &[], "a.csv"));
        assert!(standing(&["*.csv"], &[], "x/y/a.csv"));
        assert!(!standing(&["*.csv"], &[], "a.csv.bak"));
        assert!(!standing(&["*.CSV"], &[], "a.csv"));
    }

    #[test]
    fn a_pattern_with_slash_matches_the_whole_path() {
        assert!(standing(&["raw/*.csv"], &[], "raw/a.csv"));
        assert!(!standing(&["raw/*.csv"], &[], "x/raw/a.csv"));
        assert!(!standing(&["raw/*.csv"], &[], "raw/x/a.csv"));
        assert!(standing(&["raw/**"], &[], "raw/x/a.csv"));
        assert!(standing(&["raw/**/*.csv"], &[], "raw/a.csv"));
    }

    #[test]
    fn a_match_on_a_directory_takes_everything_below() {
        assert!(standing(&["raw"], &[], "raw/x/a.csv"));
        assert!(standing(&["raw"], &[], "x/raw/a"));
        assert!(!standing(&[], &["tmp"], "tmp/x/a.csv"));
        assert!(!standing(&["raw"], &["x"], "raw/x/a.csv"));
    }

    #[test]
    fn hidden_files_are_no_special_case() {
        assert!(standing(&[], &[], ".git/config"));
        assert!(!standing(&[], &[".*"], ".git/config"));
        assert!(standing(&["*"], &[], ".env"));
    }

    #[test]
    fn patterns_that_can_match_nothing_are_refused_with_the_one_meant() {
        for (text, meant) in [
            ("/raw/**", Some("raw/**")),
            ("./raw/**", Some("raw/**")),
            ("raw/", Some("raw/**")),
            ("raw//x", Some("raw/x")),
            ("raw/./x", Some("raw/x")),
            ("", Some("**")),
            ("../x", None),
        ] {
            match Pattern::new(text) {
                Err(PatternError::Never { meant: got, .. }) => assert_eq!(got.as_deref(), meant, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!(Pattern::new("a[b"), Err(PatternError::Syntax(_))));
    }
}
