//! The root file and its imports → one [`Document`].
//!
//! Takes a text, follows `import`, and has every top-level node decoded. Checks nothing that concerns several nodes, apart
//! from a second `ops`. Does not decide which files an import may read: that is `source::import`.
//! Invariant: a file is read at most once, and what could not be read is marked in the document.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::decode;
use crate::config::nodes::document::Document;
use crate::config::nodes::reader::{Reader, Reading};
use crate::config::nodes::schema::{ROOT, Spec, TOPS};
use crate::config::secrets::mask;
use crate::config::source::import::{ImportLine, Imports};
use crate::config::source::read_file::read_bounded;
use crate::config::source::{SourceMap, Span, paths};
use crate::config::syntax::lexer;
use crate::config::syntax::limits::MAX_FILE_SIZE;
use crate::config::syntax::parser;
use crate::config::syntax::repair::{Piece, repair};
use crate::config::syntax::tree::{Data, SyntaxNode};
use crate::config::values::as_name;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Everything that was read, not yet checked as a whole.
#[derive(Debug)]
pub(super) struct LoadedDocument {
    pub(super) sources: SourceMap,
    pub(super) document: Document,
    pub(super) findings: Vec<Finding>,
    pub(super) digest: String,
}

/// Texts that are read instead of the files on disk, by real path.
pub(super) type FileOverrides = HashMap<PathBuf, Vec<u8>>;

/// Reads the root file's text and its imports. `name` is the path as the user gave it.
pub(super) fn load(name: &Path, bytes: Vec<u8>, overrides: &FileOverrides) -> LoadedDocument {
    let path = paths::absolute(name);
    let mut loader = Loader {
        sources: SourceMap::default(),
        reader: Reader::default(),
        document: Document::default(),
        hash: Sha256::new(),
        imports: Imports::new(name, &path),
        overrides,
    };
    loader.file(paths::shown_name(name), path, bytes, false);
    let digest = loader.hash.finalize();
    LoadedDocument {
        sources: loader.sources,
        document: loader.document,
        findings: loader.reader.findings,
        digest: digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat(),
    }
}

struct Loader<'a> {
    sources: SourceMap,
    reader: Reader,
    document: Document,
    hash: Sha256,
    imports: Imports,
    overrides: &'a FileOverrides,
}

impl Loader<'_> {
    fn report(&mut self, finding: Finding) {
        self.reader.findings.push(finding);
    }

    /// Reports text that hides what it declares.
    fn unreadable(&mut self, finding: Finding) {
        self.document.blind = true;
        self.report(finding);
    }

    fn file(&mut self, name: String, path: PathBuf, bytes: Vec<u8>, imported: bool) {
        // The length is hashed too, so that text cannot move from one file to the next unnoticed.
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(&bytes);
        let too_large = bytes.len() > MAX_FILE_SIZE;
        let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0);
        let (text, invalid_at) = if too_large {
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
        let Some(base) = self.sources.file(number).map(|file| file.base) else {
            return;
        };
        if too_large {
            self.unreadable(
                Finding::new(
                    Code::Limits,
                    Span::new(base, base),
                    "file larger than 4 MiB",
                    "not read",
                )
                .help("check that this is the right file; a large ops file can be split with `import`"),
            );
        } else if let Some(at) = invalid_at {
            let span = Span::new(base + at, base + at + '\u{fffd}'.len_utf8());
            self.unreadable(
                Finding::new(Code::Limits, span, "file is not valid UTF-8", "first invalid byte").help(if utf16 {
                    "it looks like UTF-16: convert it with `iconv -f UTF-16 -t UTF-8 OLD > NEW`"
                } else {
                    "convert it, for example with `iconv -f LATIN1 -t UTF-8 OLD > NEW`; \
                     a glob such as \"*.csv\" matches file names in any encoding"
                }),
            );
        } else {
            self.text(number, base, imported);
        }
    }

    /// Reads a file that is valid UTF-8.
    fn text(&mut self, number: usize, base: usize, imported: bool) {
        let Some(file) = self.sources.file(number) else {
            return;
        };
        let hidden = mask::stretches(&file.text).into_iter();
        let mut hidden: Vec<Span> = hidden.map(|(start, end)| Span::new(base + start, base + end)).collect();
        let mut judged: Vec<Span> = Vec::new();
        let repaired = repair(&file.text, base, TOPS);
        self.reader.findings.extend(repaired.findings.iter().cloned());
        self.document.blind |= repaired.refused;
        for piece in &repaired.pieces {
            match parser::parse(&repaired, piece, base) {
                Ok(nodes) => {
                    judged.extend(mask::judge(&nodes, &mut self.reader.findings));
                    for node in &nodes {
                        self.node(node, number, imported);
                    }
                }
                Err(findings) => {
                    self.reader.findings.extend(findings);
                    self.unparsed(&repaired.text, piece);
                }
            }
        }
        let unseen = mask::unseen(judged, &hidden, |span| self.sources.text(span).contains('\\'));
        hidden.extend(unseen);
        self.sources.mask(number, hidden);
    }

    /// A piece that could not be parsed: remembers what it seems to declare.
    fn unparsed(&mut self, text: &str, piece: &Piece) {
        let text = text.get(piece.start..piece.end).unwrap_or_default();
        let head = text.get(..text.find('{').unwrap_or(text.len())).unwrap_or_default();
        let mut words = lexer::tokens(head)
            .into_iter()
            .filter(|token| token.is_word())
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
        let reading = self.reader.read(node, spec, ROOT_SPEC);
        let findings = &mut self.reader.findings;
        let document = &mut self.document;
        let name = match spec.name {
            "ops" => return self.ops(&reading, imported),
            "import" => return self.import(&reading, file),
            "assert" => return document.assertions.push(decode::assertion(&reading, findings)),
            "schedule" => &document.schedules.push_mut(decode::schedule(&reading, findings)).name,
            "channel" => &document.channels.push_mut(decode::channel(&reading, findings)).name,
            "target" => &document.targets.push_mut(decode::target(&reading, findings)).job.name,
            "check" => &document.checks.push_mut(decode::check(&reading, findings)).job.name,
            "backup" => &document.backups.push_mut(decode::backup(&reading, findings)).job.name,
            "retention" => {
                let retention = decode::retention(&reading, findings);
                document.hidden_retention |= retention.backup.is_none();
                &document.retentions.push_mut(retention).job.name
            }
            _ => &None,
        };
        if name.is_some() {
            return;
        }
        match node.args.first().map(|value| &value.data) {
            Some(Data::Text(name)) => {
                self.document.hidden.extend(as_name(name));
                self.document.hidden.insert(name.clone());
            }
            _ => self.document.blind = true,
        }
    }

    fn ops(&mut self, reading: &Reading, imported: bool) {
        let ops = decode::ops(reading, &mut self.reader.findings);
        if imported {
            self.report(
                Finding::new(
                    Code::UnknownNode,
                    ops.span,
                    "`ops` is only allowed in the root file",
                    "this file is imported",
                )
                .help("move these settings to the file that imports this one"),
            );
        } else if let Some(first) = self.document.ops.as_ref().map(|first| first.span) {
            self.report(
                Finding::new(Code::Repeated, ops.span, "`ops` is defined twice", "defined again here")
                    .also(first, "first defined here")
                    .help("put all settings into one `ops { … }`"),
            );
        } else {
            self.document.ops = Some(ops);
        }
    }

    fn import(&mut self, reading: &Reading, file: usize) {
        let Some((path, optional, _)) = decode::import(reading) else {
            self.document.blind = true;
            return;
        };
        let Some(dir) = self.sources.file(file).map(|file| file.dir().to_path_buf()) else {
            return;
        };
        let line = ImportLine { path, optional, dir };
        let candidates = match self.imports.candidates(&line) {
            Ok(candidates) => candidates,
            Err(finding) => return self.unreadable(finding),
        };
        for candidate in candidates {
            self.import_one(candidate, &line);
        }
    }

    fn import_one(&mut self, path: PathBuf, line: &ImportLine) {
        let real = match self.imports.locate(&path, line) {
            Ok(Some(real)) => real,
            Ok(None) => return,
            // What it declares is read elsewhere.
            Err(finding) if finding.is_duplicate => return self.report(finding.finding),
            Err(finding) => return self.unreadable(finding.finding),
        };
        let bytes = match self.overrides.get(&real) {
            Some(text) => Ok(text.clone()),
            None => read_bounded(&real),
        };
        let name = self.imports.shown_name(&path);
        match bytes {
            Ok(bytes) => {
                self.imports.enter(real, line);
                self.file(name, path, bytes, true);
                self.imports.leave();
            }
            Err(error) => self.unreadable(
                Finding::new(
                    Code::BadImport,
                    line.path.span,
                    format!("cannot read `{name}`: {error}"),
                    "imported here",
                )
                .help("check its permissions"),
            ),
        }
    }
}
