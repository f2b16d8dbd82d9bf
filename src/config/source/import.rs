//! `import`: which files a path or a pattern names, and whether they may be read.
//!
//! Takes a line `import` and the directory of its file, gives the paths of the files it names, or a finding.
//! Invariant: no file outside the root file's directory is named, and none twice.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::source::{Span, Spanned, paths};
use globset::GlobBuilder;
use std::io;
use std::path::{Path, PathBuf};

const MAX_IMPORT_DEPTH: usize = 8;
/// Directory entries that one pattern may look at.
const MAX_ENTRIES: usize = 100_000;
/// Levels of directories that `**` may match.
const MAX_DIRECTORY_DEPTH: usize = 32;

const GLOB_SIGNS: [char; 4] = ['*', '?', '[', '{'];

/// `import "conf.d/*.kdl" optional=#true`.
pub struct ImportLine {
    pub path: Spanned<String>,
    pub optional: bool,
    /// The directory of its file.
    pub dir: PathBuf,
}

impl ImportLine {
    fn is_glob(&self) -> bool {
        self.path.value.contains(GLOB_SIGNS)
    }

    fn finding(&self, message: String, label: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding::new(Code::BadImport, self.path.span, message, label).help(help)
    }
}

/// A file that is not imported.
pub struct ImportRefusal {
    pub finding: Box<Finding>,
    /// The file was imported already.
    pub is_duplicate: bool,
}

impl From<Finding> for ImportRefusal {
    fn from(finding: Finding) -> Self {
        Self {
            finding: Box::new(finding),
            is_duplicate: false,
        }
    }
}

/// The files that were imported so far.
pub struct Imports {
    /// The files being read, outermost first.
    open: Vec<PathBuf>,
    /// Every file so far, and the line that imported it.
    done: Vec<(PathBuf, Option<Span>)>,
    pub root_dir: PathBuf,
    real_root: PathBuf,
    shown_root: PathBuf,
}

impl Imports {
    /// `name` is the root file as the user named it, `path` the same absolute.
    pub fn new(name: &Path, path: &Path) -> Self {
        let root_dir = path.parent().unwrap_or(Path::new("/")).to_path_buf();
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        Self {
            open: vec![real.clone()],
            done: vec![(real, None)],
            real_root: std::fs::canonicalize(&root_dir).unwrap_or_else(|_| root_dir.clone()),
            shown_root: name.parent().unwrap_or(Path::new("")).to_path_buf(),
            root_dir,
        }
    }

    /// The file at this real path is read from now on.
    pub fn enter(&mut self, real: PathBuf, line: &ImportLine) {
        self.done.push((real.clone(), Some(line.path.span)));
        self.open.push(real);
    }

    pub fn leave(&mut self) {
        self.open.pop();
    }

    /// The name of an imported file, as the root file was named.
    pub fn shown_name(&self, path: &Path) -> String {
        let name = path.strip_prefix(&self.root_dir).unwrap_or(path);
        crate::path::shown(&self.shown_root.join(name)).to_string()
    }

    /// The paths that a line names, in order.
    pub fn candidates(&self, line: &ImportLine) -> Result<Vec<PathBuf>, Box<Finding>> {
        if self.open.len() > MAX_IMPORT_DEPTH {
            let message = format!("imports are nested more than {MAX_IMPORT_DEPTH} levels deep");
            return Err(Box::new(line.finding(
                message,
                "not read",
                "import this file from the root file",
            )));
        }
        if !line.is_glob() {
            return Ok(vec![paths::normal(&line.dir.join(&line.path.value))]);
        }
        let found = self.matching(line)?;
        if found.is_empty() && !line.optional {
            let shown = excerpt(&line.path.value);
            let help = format!("if this is expected, write `import \"{shown}\" optional=#true`");
            let message = format!("`{shown}` matches no file");
            return Err(Box::new(line.finding(message, "nothing is imported", help)));
        }
        Ok(found)
    }

    /// The files that a pattern matches, in the order of their paths.
    fn matching(&self, line: &ImportLine) -> Result<Vec<PathBuf>, Box<Finding>> {
        let full = paths::normal(&line.dir.join(&line.path.value));
        let glob = GlobBuilder::new(&full.to_string_lossy())
            .literal_separator(true)
            .build();
        let matcher = glob.map(|glob| glob.compile_matcher()).map_err(|error| {
            let message = format!("`{}` is not a valid glob", excerpt(&line.path.value));
            let help = "write, for example, `import \"conf.d/*.kdl\"`";
            line.finding(message, error.kind().to_string(), help)
        })?;
        let mut start = PathBuf::new();
        let mut levels = 0_usize;
        let mut deep = false;
        for part in full.components() {
            let text = part.as_os_str().to_string_lossy();
            deep |= text.contains("**");
            if levels > 0 || text.contains(GLOB_SIGNS) {
                levels += 1;
            } else {
                start.push(part);
            }
        }
        if !start.starts_with(&self.root_dir) {
            return Err(Box::new(self.outside(line, &start)));
        }
        let levels = if deep { MAX_DIRECTORY_DEPTH } else { levels };
        let walk = walkdir::WalkDir::new(&start).sort_by_file_name().max_depth(levels);
        let mut found: Vec<PathBuf> = walk
            .into_iter()
            .take(MAX_ENTRIES)
            .filter_map(Result::ok)
            .filter(|entry| !entry.file_type().is_dir() && matcher.is_match(entry.path()))
            .map(walkdir::DirEntry::into_path)
            .filter(|path| path.is_file())
            .collect();
        found.sort();
        Ok(found)
    }

    /// The real path of a file that may be read; `None` for one that is optional and missing.
    pub fn locate(&self, candidate: &Path, line: &ImportLine) -> Result<Option<PathBuf>, ImportRefusal> {
        let shown = excerpt(&line.path.value);
        if !candidate.starts_with(&self.root_dir) {
            return Err(self.outside(line, candidate).into());
        }
        let real = match std::fs::canonicalize(candidate) {
            Ok(real) => real,
            Err(error) if line.optional && error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let message = match error.kind() {
                    io::ErrorKind::NotFound => format!("file `{shown}` does not exist"),
                    _ => format!("cannot read `{shown}`: {error}"),
                };
                let label = format!("looked for `{}`", paths::shown(candidate));
                let help = format!("create it, or write `import \"{shown}\" optional=#true`");
                return Err(line.finding(message, label, help).into());
            }
        };
        if !real.starts_with(&self.real_root) {
            return Err(self.outside(line, &real).into());
        }
        if let Some(refusal) = self.read_before(candidate, &real, line) {
            return Err(refusal);
        }
        if !real.is_file() {
            let dir = shown.trim_end_matches('/');
            let help = format!("for a directory, write `import \"{dir}/*.kdl\"`");
            let message = format!("`{shown}` is not a regular file");
            return Err(line.finding(message, "cannot be imported", help).into());
        }
        Ok(Some(real))
    }

    /// Why a file is not read again.
    fn read_before(&self, candidate: &Path, real: &Path, line: &ImportLine) -> Option<ImportRefusal> {
        let name = self.shown_name(candidate);
        if let Some(at) = self.open.iter().position(|open| open == real) {
            let message = if at + 1 == self.open.len() {
                format!("`{name}` imports itself")
            } else {
                format!("`{name}` is imported by a file that it imports")
            };
            let help = if line.is_glob() {
                "write a pattern that does not match this file, such as \"conf.d/*.kdl\""
            } else {
                "delete this line"
            };
            return Some(line.finding(message, "this file is already being read", help).into());
        }
        let (_, first) = self.done.iter().find(|(done, _)| done == real)?;
        let message = format!("`{name}` is imported twice");
        let finding = line.finding(message, "imported again here", "delete one of the two lines");
        Some(ImportRefusal {
            finding: Box::new(finding.also(*first, "first imported here")),
            is_duplicate: true,
        })
    }

    fn outside(&self, line: &ImportLine, target: &Path) -> Finding {
        let message = format!(
            "`{}` is outside the directory of the root file",
            excerpt(&line.path.value)
        );
        let root = paths::shown(&self.root_dir);
        let help = format!("import only files below `{root}`, or move the root file up");
        line.finding(message, format!("resolves to `{}`", paths::shown(target)), help)
    }
}
