//! The root file and all that it imports → one [`Document`].
//!
//! Takes a path or a text, reads files, follows `import`, and has every top-level node decoded. With `host` the only
//! file of `config` that touches the file system. Judges nothing that concerns several nodes, but for `ops` given twice.
//! Invariant: no file outside the root file's directory is read, none twice, and none larger than the limit.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::Spec;
use crate::config::nodes::document::Document;
use crate::config::nodes::reader::NodeReader;
use crate::config::nodes::{self, Decoder, OpsNode, ROOT, TOP_NAMES};
use crate::config::secrets::FileSecrets;
use crate::config::source::{SourceFile, SourceMap, Span, Spanned, paths};
use crate::config::syntax::lexer::{self, TokenKind};
use crate::config::syntax::repair::mend::{self, Piece};
use crate::config::syntax::tree::{self, Data, SyntaxNode};
use crate::config::values::as_name;
use globset::GlobBuilder;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// Largest file, in bytes.
pub(in crate::config) const LARGEST: usize = 4 * 1024 * 1024;
const DEEPEST_IMPORT: usize = 8;
/// How many directory entries one pattern may look at.
const MOST_ENTRIES: usize = 100_000;

/// Everything read, not yet judged as a whole.
#[derive(Debug)]
pub(in crate::config) struct Files {
    pub(in crate::config) sources: SourceMap,
    pub(in crate::config) document: Document,
    pub(in crate::config) findings: Vec<Finding>,
    pub(in crate::config) digest: String,
    /// What values mean that are secrets, without escapes.
    pub(in crate::config) secrets: Vec<String>,
}

/// Reads a whole file, but not more than just beyond the limit.
pub(in crate::config) fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens what is a file. A pipe without a writer would be waited for without an end, so only those are read that this
/// process was given: `/dev/stdin`, and `/dev/fd/N`, which a shell writes for `<(…)`.
fn open(path: &Path) -> io::Result<File> {
    let unblocked = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, unblocked, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    let what = if kind.is_fifo() {
        "a pipe"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        // Of a directory the first read tells.
        return Ok(file);
    };
    let given = ["/dev/stdin", "/dev/fd", "/proc/self/fd"]
        .iter()
        .any(|dir| path.starts_with(dir));
    if !given {
        let why = format!("it is {what}, no regular file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    // Opened anew, so that only this one waits for what is still being written.
    rustix::fs::fcntl_setfl(&file, OFlags::RDONLY)?;
    Ok(file)
}

/// Texts that stand for what is on the disk, by real path.
pub(in crate::config) type Instead = HashMap<PathBuf, Vec<u8>>;

/// Reads the root file's text and its imports. `name` is the path as the user gave it.
pub(in crate::config) fn read(name: &Path, bytes: Vec<u8>, instead: &Instead) -> Files {
    let path = paths::absolute(name);
    let root_dir = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let mut loader = Loader {
        sources: SourceMap::default(),
        reader: NodeReader::default(),
        document: Document::default(),
        hash: Sha256::new(),
        open: Vec::new(),
        done: Vec::new(),
        secrets: Vec::new(),
        real_root: std::fs::canonicalize(&root_dir).unwrap_or_else(|_| root_dir.clone()),
        shown_root: name.parent().unwrap_or(Path::new("")).to_path_buf(),
        root_dir,
        instead,
    };
    let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
    loader.done.push((real.clone(), None));
    loader.open.push(real);
    loader.file(paths::shown_name(name), path, bytes, None);
    let digest = loader.hash.finalize();
    Files {
        sources: loader.sources,
        document: loader.document,
        findings: loader.reader.findings,
        digest: digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat(),
        secrets: loader.secrets,
    }
}

struct Loader<'a> {
    instead: &'a Instead,
    sources: SourceMap,
    reader: NodeReader,
    document: Document,
    hash: Sha256,
    /// The files being read, outermost first.
    open: Vec<PathBuf>,
    /// Every file read so far, and the import that asked for it.
    done: Vec<(PathBuf, Option<Span>)>,
    secrets: Vec<String>,
    root_dir: PathBuf,
    real_root: PathBuf,
    shown_root: PathBuf,
}

impl Loader<'_> {
    fn report(&mut self, finding: Finding) {
        self.reader.findings.push(finding);
    }

    /// Reads one file's text; `from` is the import that asked for it.
    fn file(&mut self, name: String, path: PathBuf, bytes: Vec<u8>, from: Option<Span>) {
        // The length goes in too, so that text cannot move from one file to the next unnoticed.
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(&bytes);
        let too_large = bytes.len() > LARGEST;
        let sixteen = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0);
        let (text, broken_at) = if too_large {
            (String::new(), None)
        } else {
            match String::from_utf8(bytes) {
                Ok(text) => (text, None),
                Err(error) => (
                    String::from_utf8_lossy(error.as_bytes()).into_owned(),
                    Some(error.utf8_error().valid_up_to()),
                ),
            }
        };
        let number = self.sources.add(name, path, text);
        let Some(file) = self.sources.file(number) else {
            return;
        };
        let base = file.base;
        if too_large {
            self.document.blind = true;
            self.report(
                Finding::new(
                    Code::Limits,
                    Span::new(base, base),
                    "the file is larger than 4 MiB",
                    "not read",
                )
                .help("ops files are written by hand: is this the right file? Several can be joined by `import`"),
            );
            return;
        }
        if let Some(at) = broken_at {
            self.document.blind = true;
            self.report(
                Finding::new(
                    Code::Limits,
                    Span::new(base + at, base + at + '\u{fffd}'.len_utf8()),
                    "the file is not UTF-8",
                    "the first byte that is not",
                )
                .help(if sixteen {
                    "it looks like UTF-16: save it as UTF-8, or `iconv -f UTF-16 -t UTF-8 OLD > NEW`"
                } else {
                    "save it as UTF-8, or `iconv -f LATIN1 -t UTF-8 OLD > NEW`; \
                     a name of another encoding can be reached by a glob such as \"*.csv\""
                }),
            );
            return;
        }
        let text = file.text.clone();
        let mut secrets = FileSecrets::new(&text, base);
        let mended = mend::mend(&text, base, TOP_NAMES);
        self.reader.findings.extend(mended.findings.iter().cloned());
        self.document.blind |= mended.refused;
        for piece in &mended.pieces {
            match tree::parse(&mended, piece, base) {
                Ok(nodes) => {
                    secrets.report(None, &nodes, &mut self.reader.findings);
                    for node in &nodes {
                        self.node(node, number, from.is_some());
                    }
                }
                Err(findings) => {
                    self.reader.findings.extend(findings);
                    self.unread(&mended.text, piece);
                }
            }
        }
        self.sources.mask(number, &secrets.spans());
        self.secrets.extend(secrets.values.into_iter().map(|(_, text)| text));
    }

    /// A piece that could not be parsed: remember what it seems to declare.
    fn unread(&mut self, text: &str, piece: &Piece) {
        let text = text.get(piece.start..piece.end).unwrap_or_default();
        let head = text.get(..text.find('{').unwrap_or(text.len())).unwrap_or_default();
        let mut words = lexer::tokens(head)
            .into_iter()
            .filter(|token| matches!(token.kind, TokenKind::Word { .. } | TokenKind::Text { .. }))
            .map(|token| head.get(token.start..token.end).unwrap_or_default().trim_matches('"'));
        match (words.next(), words.next()) {
            (Some("ops"), _) => {}
            (Some(kind), Some(name)) => {
                self.document.hidden_retention |= kind == "retention";
                self.document.hidden.insert(name.to_owned());
            }
            (Some("retention"), None) => {
                self.document.hidden_retention = true;
                self.document.blind = true;
            }
            _ => self.document.blind = true,
        }
    }

    fn node(&mut self, node: &SyntaxNode, file: usize, imported: bool) {
        const ROOT_SPEC: &Spec = &ROOT;
        let Some(spec) = self.reader.spec_of(node, ROOT_SPEC, &[]) else {
            match node.args.first().map(|value| &value.data) {
                Some(Data::Text(name)) => {
                    self.document.hidden.insert(name.clone());
                }
                _ => self.document.blind |= node.name_replaced,
            }
            // A misspelt `retention` may be the one that a backup waits for.
            self.document.hidden_retention |= node.props.iter().any(|prop| prop.key == "backup") || node.name_replaced;
            return;
        };
        let checked = self.reader.read(node, spec, ROOT_SPEC);
        let dir = self.sources.file(file).map_or(self.root_dir.as_path(), SourceFile::dir);
        let mut decoder = Decoder::new(dir, &self.root_dir, &mut self.reader.findings);
        let document = &mut self.document;
        let has_name = match spec.name {
            "ops" => {
                let ops = nodes::ops(&checked, &mut decoder);
                return self.ops(ops, imported);
            }
            "import" => {
                return match nodes::import(&checked) {
                    Some(import) => self.import(&import.path, import.optional, import.head, file),
                    None => document.blind = true,
                };
            }
            "assert" => return document.assertions.push(nodes::assertion(&checked, decoder.findings)),
            "schedule" => {
                let schedule = nodes::schedule(&checked, decoder.findings);
                document.schedules.push_mut(schedule).name.is_some()
            }
            "channel" => {
                let channel = nodes::channel(&checked, &mut decoder);
                document.channels.push_mut(channel).name.is_some()
            }
            "target" => {
                let target = nodes::target(&checked, &mut decoder);
                document.targets.push_mut(target).job.name.is_some()
            }
            "check" => {
                let check = nodes::check(&checked, &mut decoder);
                document.checks.push_mut(check).job.name.is_some()
            }
            "backup" => {
                let backup = nodes::backup(&checked, &mut decoder);
                document.backups.push_mut(backup).job.name.is_some()
            }
            "retention" => {
                let retention = nodes::retention(&checked, &mut decoder);
                document.hidden_retention |= retention.backup.is_none();
                document.retentions.push_mut(retention).job.name.is_some()
            }
            _ => return,
        };
        if !has_name {
            match node.args.first().map(|value| &value.data) {
                Some(Data::Text(name)) => {
                    document.hidden.extend(as_name(name));
                    document.hidden.insert(name.clone());
                }
                _ => document.blind = true,
            }
        }
    }

    fn ops(&mut self, ops: OpsNode, imported: bool) {
        if imported {
            self.report(
                Finding::new(
                    Code::UnknownNode,
                    ops.span,
                    "`ops` is allowed in the root file only",
                    "this file is imported",
                )
                .help("move these settings to the file that imports this one"),
            );
        } else if let Some(first) = &self.document.ops {
            let first = first.span;
            self.report(
                Finding::new(Code::Repeated, ops.span, "`ops` is given twice", "again here")
                    .also(first, "first here")
                    .help("put all settings into one `ops { … }`"),
            );
        } else {
            self.document.ops = Some(ops);
        }
    }

    fn bad_import(&mut self, span: Span, message: String, label: &str, help: String) {
        self.document.blind = true;
        self.report(Finding::new(Code::BadImport, span, message, label).help(help));
    }

    fn import(&mut self, path: &Spanned<String>, optional: bool, head: Span, file: usize) {
        let Some(dir) = self.sources.file(file).map(|file| file.dir().to_path_buf()) else {
            return;
        };
        let shown = excerpt(&path.value);
        if self.open.len() > DEEPEST_IMPORT {
            self.bad_import(
                path.span,
                format!("imports are nested deeper than {DEEPEST_IMPORT}"),
                "not read",
                "let the root file import this one".to_owned(),
            );
            return;
        }
        let is_glob = path.value.contains(['*', '?', '[', '{']);
        let found = if is_glob {
            match self.matching(&dir, path) {
                Some(found) => found,
                None => return,
            }
        } else {
            vec![paths::normal(&dir.join(&path.value))]
        };
        if found.is_empty() {
            if !optional {
                self.bad_import(
                    path.span,
                    format!("`{shown}` matches no file"),
                    "nothing is imported",
                    format!("if that is fine, write `import \"{shown}\" optional=#true`"),
                );
            }
            return;
        }
        for candidate in found {
            self.import_one(&candidate, path, optional, is_glob, head);
        }
    }

    /// The files that a pattern matches, in order of their paths. `None`: reported.
    fn matching(&mut self, dir: &Path, path: &Spanned<String>) -> Option<Vec<PathBuf>> {
        let full = paths::normal(&dir.join(&path.value));
        let glob = GlobBuilder::new(&full.to_string_lossy())
            .literal_separator(true)
            .build();
        let matcher = match glob {
            Ok(glob) => glob.compile_matcher(),
            Err(error) => {
                let shown = excerpt(&path.value);
                self.bad_import(
                    path.span,
                    format!("`{shown}` is no glob"),
                    &error.kind().to_string(),
                    "for example `import \"conf.d/*.kdl\"`".to_owned(),
                );
                return None;
            }
        };
        let mut start = PathBuf::new();
        let mut levels = 0_usize;
        let mut deep = false;
        for part in full.components() {
            let text = part.as_os_str().to_string_lossy();
            deep |= text.contains("**");
            if levels > 0 || text.contains(['*', '?', '[', '{']) {
                levels += 1;
            } else {
                start.push(part);
            }
        }
        if !start.starts_with(&self.root_dir) {
            self.outside(path, &start);
            return None;
        }
        let walk = walkdir::WalkDir::new(&start)
            .sort_by_file_name()
            .max_depth(if deep { 32 } else { levels });
        let mut found: Vec<PathBuf> = walk
            .into_iter()
            .take(MOST_ENTRIES)
            .filter_map(Result::ok)
            .filter(|entry| !entry.file_type().is_dir() && matcher.is_match(entry.path()))
            .map(walkdir::DirEntry::into_path)
            .filter(|path| path.is_file())
            .collect();
        found.sort();
        Some(found)
    }

    fn outside(&mut self, path: &Spanned<String>, target: &Path) {
        let shown = excerpt(&path.value);
        let root = paths::shown(&self.root_dir);
        self.bad_import(
            path.span,
            format!("`{shown}` is outside the root file's directory"),
            &format!("leads to `{}`", paths::shown(target)),
            format!("import only what lies below `{root}`, or move the root file up"),
        );
    }

    fn import_one(&mut self, candidate: &Path, path: &Spanned<String>, optional: bool, is_glob: bool, head: Span) {
        let shown = excerpt(&path.value);
        let lexically_inside = candidate.starts_with(&self.root_dir);
        if !lexically_inside {
            self.outside(path, candidate);
            return;
        }
        let real = match std::fs::canonicalize(candidate) {
            Ok(real) => real,
            Err(error) if optional && error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let message = match error.kind() {
                    io::ErrorKind::NotFound => format!("there is no file `{shown}`"),
                    _ => format!("`{shown}` cannot be read: {error}"),
                };
                self.bad_import(
                    path.span,
                    message,
                    &format!("looked for `{}`", paths::shown(candidate)),
                    format!("create it, or write `import \"{shown}\" optional=#true`"),
                );
                return;
            }
        };
        if !real.starts_with(&self.real_root) {
            self.outside(path, &real);
            return;
        }
        let name = candidate.strip_prefix(&self.root_dir).unwrap_or(candidate);
        let name = paths::shown_name(&self.shown_root.join(name));
        if let Some(at) = self.open.iter().position(|open| *open == real) {
            let own = at + 1 == self.open.len();
            self.bad_import(
                path.span,
                if own {
                    format!("`{name}` imports itself")
                } else {
                    format!("`{name}` is imported by a file that it imports")
                },
                "leads back to a file that is being read",
                if is_glob {
                    format!("let the pattern name other files only, such as \"conf.d/*.kdl\" instead of \"{shown}\"")
                } else {
                    "delete this line".to_owned()
                },
            );
            return;
        }
        if let Some((_, first)) = self.done.iter().find(|(done, _)| *done == real) {
            let mut finding = Finding::new(
                Code::BadImport,
                path.span,
                format!("`{name}` is imported twice"),
                "again here",
            )
            .help("delete one of the two lines");
            if let Some(first) = *first {
                finding = finding.also(first, "first here");
            }
            self.report(finding);
            return;
        }
        if !real.is_file() {
            self.bad_import(
                path.span,
                format!("`{shown}` is no regular file"),
                "cannot be imported",
                format!(
                    "for a directory, write `import \"{}/*.kdl\"`",
                    shown.trim_end_matches('/')
                ),
            );
            return;
        }
        let bytes = self
            .instead
            .get(&real)
            .map_or_else(|| bytes_of(&real), |text| Ok(text.clone()));
        match bytes {
            Ok(bytes) => {
                self.done.push((real.clone(), Some(path.span)));
                self.open.push(real);
                self.file(name, candidate.to_path_buf(), bytes, Some(head));
                self.open.pop();
            }
            Err(error) => self.bad_import(
                path.span,
                format!("`{name}` cannot be read: {error}"),
                "asked for here",
                "check its permissions".to_owned(),
            ),
        }
    }
}
