//! Globs, and what a list of them selects.
//!
//! Takes the text of patterns, gives matchers on [`RelPath`]s. A pattern without `/` matches the name at any
//! depth, one with `/` the whole relative path; `*` and `?` never cross a `/`, `**` does; case counts.
//! Invariant: a [`Pattern`] that exists can match something; forms that never could are refused with the
//! pattern that was meant.

use crate::path::RelPath;
use globset::{Candidate, Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

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
    anchored(&format!("{before}{text}"))
}

/// A glob that matches whole paths only.
fn anchored(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text)
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
        if self.set.is_empty() && self.singly.is_empty() {
            return false;
        }
        let candidate = candidate(path);
        self.set.is_match_candidate(&candidate) || self.singly.iter().any(|glob| glob.is_match_candidate(&candidate))
    }
}

fn candidate(path: &[u8]) -> Candidate<'_> {
    Candidate::new(OsStr::from_bytes(path))
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
    /// Directories below which everything is excluded, though they are not.
    emptied: PatternSet,
    /// How deep each include may lead.
    reach: Vec<Reach>,
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
            emptied: PatternSet::new(&selection.exclude.iter().flat_map(emptied).collect::<Vec<Pattern>>()),
            reach: selection.include.iter().map(Reach::of).collect(),
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

    /// True when nothing below this directory can be selected, whatever is in it. May be false all the same where
    /// several patterns together leave nothing.
    pub fn nothing_below(&mut self, dir: &RelPath) -> bool {
        let standing = self.standing(dir);
        standing.excluded
            || self.emptied.matches(dir.as_bytes())
            || !standing.included && !self.reach.iter().any(|reach| reach.leads_below(dir))
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

/// The patterns of directories below which a pattern matches everything, or everything at once below.
fn emptied(pattern: &Pattern) -> impl Iterator<Item = Pattern> {
    let text = pattern.as_str();
    let dirs = ["/**", "/*", "/**/*"]
        .into_iter()
        .filter_map(move |tail| text.strip_suffix(tail));
    // The whole path, also without a `/` in it. What is not a glob alone was cut within a group or a class.
    dirs.filter_map(|dir| {
        let glob = anchored(dir).ok()?;
        Some(Pattern {
            text: dir.to_owned(),
            glob,
        })
    })
}

/// Below which directories an include pattern can match.
#[derive(Debug, Clone)]
enum Reach {
    /// Below every one, as far as is known.
    Anywhere,
    /// Only below directories whose components these match, as far as there are as many.
    Along {
        components: Vec<GlobMatcher>,
        /// The pattern goes on with `**`.
        deeper: bool,
    },
}

impl Reach {
    fn of(pattern: &Pattern) -> Self {
        let text = pattern.as_str();
        let mut components = Vec::new();
        if !text.contains('/') {
            return Self::Anywhere;
        }
        for part in text.split('/') {
            if part == "**" {
                return Self::Along {
                    components,
                    deeper: true,
                };
            }
            // A `/` within a group or a class leaves a part that is not a glob.
            match anchored(part) {
                Ok(glob) if !part.contains("**") => components.push(glob.compile_matcher()),
                _ => return Self::Anywhere,
            }
        }
        Self::Along {
            components,
            deeper: false,
        }
    }

    fn leads_below(&self, dir: &RelPath) -> bool {
        let Self::Along { components, deeper } = self else {
            return true;
        };
        let mut along = components.iter().zip(dir.components());
        (*deeper || dir.components().count() < components.len())
            && along.all(|(glob, part)| glob.is_match_candidate(&candidate(part)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    fn nothing_below(include: &[&str], exclude: &[&str], dir: &str) -> bool {
        let list = |texts: &[&str]| texts.iter().map(|t| Pattern::new(t).unwrap()).collect();
        let mut selector = Selector::new(&Selection {
            include: list(include),
            exclude: list(exclude),
        });
        selector.nothing_below(&RelPath::new(dir.as_bytes()).unwrap())
    }

    #[test]
    fn what_a_pattern_takes_whole_needs_no_look() {
        for (exclude, dir) in [
            ("lost+found", "lost+found"),
            ("lost+found", "a/lost+found"),
            ("lost+found/**", "lost+found"),
            ("lost+found/*", "lost+found"),
            ("lost+found/**/*", "lost+found"),
            ("**/node_modules/**", "node_modules"),
            ("**/node_modules/**", "a/b/node_modules"),
            ("{a,b}/**", "b"),
            ("*/**", "a"),
        ] {
            assert!(nothing_below(&[], &[exclude], dir), "{exclude} {dir}");
        }
        for (exclude, dir) in [
            ("lost+found/**", "a/lost+found"),
            ("a/b/**", "a"),
            ("a/*.csv", "a"),
            ("a/**/b", "a"),
        ] {
            assert!(!nothing_below(&[], &[exclude], dir), "{exclude} {dir}");
        }
    }

    #[test]
    fn an_include_leads_only_along_its_components() {
        for (include, dir, below) in [
            ("raw/**", "raw", true),
            ("raw/**", "private", false),
            ("raw/*/x", "raw/a", true),
            ("raw/*/x", "raw/a/x", true),
            ("raw/*/x", "raw/a/y", false),
            ("raw/*/x", "other/a", false),
            ("*.csv", "private", true),
            ("**/x", "private", true),
            ("{raw/x,log}/*", "private", true),
        ] {
            assert_eq!(nothing_below(&[include], &[], dir), !below, "{include} {dir}");
        }
    }

    /// Patterns over `a`, `b` and what globs are made of; those that are none are left out.
    fn patterns() -> impl Strategy<Value = Vec<Pattern>> {
        let part = prop::sample::select(vec![
            "a", "b", "*", "**", "?", "{a,b}", "[ab]", "[!a]", "a*", "a**", "{a/b,b}", "\\a",
        ]);
        let text = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
        prop::collection::vec(text, 0..3).prop_map(|texts| texts.iter().filter_map(|t| Pattern::new(t).ok()).collect())
    }

    fn paths(depth: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut level = all.clone();
        for _ in 0..depth {
            let deeper = |path: &String| ["a", "b", "ab", "c"].map(|name| format!("{path}/{name}"));
            level = level.iter().flat_map(deeper).collect();
            all.extend(level.iter().cloned());
        }
        all.into_iter()
            .filter_map(|path| path.strip_prefix('/').map(str::to_owned))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Every path up to five levels is the oracle: nothing that would be selected is in a directory that is not opened.
        #[test]
        fn where_nothing_is_looked_for_nothing_is_selected(include in patterns(), exclude in patterns()) {
            let mut selector = Selector::new(&Selection { include, exclude });
            let dirs: Vec<RelPath> = paths(2).iter().filter_map(|path| RelPath::new(path.as_bytes())).collect();
            let closed: Vec<&RelPath> = dirs.iter().filter(|dir| selector.nothing_below(dir)).collect();
            for path in paths(5).iter().filter_map(|path| RelPath::new(path.as_bytes())) {
                let within = closed.iter().find(|dir| path != ***dir && path.is_within(dir));
                prop_assert!(within.is_none() || !selector.standing(&path).selected(), "{path}");
            }
        }
    }
}
