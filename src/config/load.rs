//! The root file and its imports → one [`Document`].
//!
//! Takes a text, follows `import`, and has every top-level node decoded. Checks nothing that concerns several nodes, apart
//! from a second `ops`. Does not decide which files an import may read: that is `source::import`.
//! Invariant: a file is read at most once, and what could not be read is marked in the document.

use crate::config::findings::{Code, Finding};
use crate::config::language::spec::Spec;
use crate::config::nodes::document::Document;
use crate::config::nodes::reader::NodeReader;
use crate::config::nodes::{self, Decoder, OpsNode, ROOT, TOP_NAMES};
use crate::config::secrets::FileSecrets;
use crate::config::source::import::{ImportLine, Imports};
use crate::config::source::read_file::read_bounded;
use crate::config::source::{SourceFile, SourceMap, Span, Spanned, paths};
use crate::config::syntax::lexer;
use crate::config::syntax::limits::MAX_FILE_SIZE;
use crate::config::syntax::parser;
use crate::config::syntax::repair::{Piece, repair};
use crate::config::syntax::tree::{Data, SyntaxNode};
use crate::config::values::as_name;
use crate::time_zone::ZoneDatabase;
use crate::units::hex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Everything that was read, not yet checked as a whole.
#[derive(Debug)]
pub(super) struct LoadedDocument {
    pub(super) sources: SourceMap,
    pub(super) document: Document,
    pub(super) findings: Vec<Finding>,
    pub(super) digest: String,
    /// The values that are secrets, without escapes.
    pub(super) secrets: Vec<String>,
    pub(super) zones: Rc<ZoneDatabase>,
}

/// Texts that are read instead of the files on disk, by real path.
pub(super) type FileOverrides = HashMap<PathBuf, Vec<u8>>;

/// Reads the root file's text and its imports. `name` is the path as the user gave it.
pub(super) fn load(name: &Path, bytes: Vec<u8>, overrides: &FileOverrides) -> LoadedDocument {
    let path = paths::absolute(name);
    let zones = Rc::new(ZoneDatabase::of_host());
    let mut loader = Loader {
        sources: SourceMap::default(),
        reader: NodeReader::new(Rc::clone(&zones)),
        document: Document::default(),
        hash: Sha256::new(),
        imports: Imports::new(name, &path),
        secrets: Vec::new(),
        overrides,
    };
    loader.file(crate::path::shown(name).to_string(), path, bytes, false);
    LoadedDocument {
        sources: loader.sources,
        document: loader.document,
        findings: loader.reader.findings,
        digest: hex(&loader.hash.finalize()),
        secrets: loader.secrets,
        zones,
    }
}

struct Loader<'a> {
    sources: SourceMap,
    reader: NodeReader,
    document: Document,
    hash: Sha256,
    imports: Imports,
    secrets: Vec<String>,
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
        let (text, invalid_at) = match String::from_utf8(if too_large { Vec::new() } else { bytes }) {
            Ok(text) => (text, None),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(at))
            }
        };
        let number = self.sources.add(name, path, text);
        let Some(base) = self.sources.file(number).map(|file| file.base) else {
            return;
        };
        if too_large {
            let finding = Finding::new(
                Code::Limits,
                Span::new(base, base),
                "file larger than 4 MiB",
                "not read",
            );
            let help = "check that this is the right file; a large ops file can be split with `import`";
            self.unreadable(finding.help(help));
        } else if let Some(at) = invalid_at {
            let span = Span::new(base + at, base + at + '\u{fffd}'.len_utf8());
            let finding = Finding::new(Code::Limits, span, "file is not valid UTF-8", "first invalid byte");
            self.unreadable(finding.help(if utf16 {
                "it looks like UTF-16: convert it with `iconv -f UTF-16 -t UTF-8 OLD > NEW`"
            } else {
                "convert it, for example with `iconv -f LATIN1 -t UTF-8 OLD > NEW`; \
                 a glob such as \"*.csv\" matches file names in any encoding"
            }));
        } else {
            self.text(number, base, imported);
        }
    }

    /// Reads a file that is valid UTF-8.
    fn text(&mut self, number: usize, base: usize, imported: bool) {
        let Some(file) = self.sources.file(number) else {
            return;
        };
        let text = file.text.clone();
        let mut secrets = FileSecrets::new(&text, base);
        let repaired = repair(&text, base, TOP_NAMES);
        self.reader.findings.extend(repaired.findings.iter().cloned());
        self.document.blind |= repaired.refused;
        for piece in &repaired.pieces {
            match parser::parse(&repaired, piece, base) {
                Ok(nodes) => {
                    secrets.report(None, &nodes, &mut self.reader.findings);
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
        self.sources.mask(number, &secrets.spans());
        self.secrets.extend(secrets.values.into_iter().map(|(_, text)| text));
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
        let checked = self.reader.read(node, spec, ROOT_SPEC);
        let dir = self
            .sources
            .file(file)
            .map_or(self.imports.root_dir.as_path(), SourceFile::dir);
        let mut decoder = Decoder::new(dir, &self.imports.root_dir, &mut self.reader.findings);
        let document = &mut self.document;
        let has_name = match spec.name {
            "ops" => {
                let ops = nodes::ops(&checked, &mut decoder);
                return self.ops(ops, imported);
            }
            "import" => {
                return match nodes::import(&checked) {
                    Some(import) => self.import(import.path, import.optional, file),
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
            let message = "`ops` is only allowed in the root file";
            let finding = Finding::new(Code::UnknownNode, ops.span, message, "this file is imported");
            self.report(finding.help("move these settings to the file that imports this one"));
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

    fn import(&mut self, path: Spanned<String>, optional: bool, file: usize) {
        let Some(dir) = self.sources.file(file).map(|file| file.dir().to_path_buf()) else {
            return;
        };
        let line = ImportLine { path, optional, dir };
        let candidates = match self.imports.candidates(&line) {
            Ok(candidates) => candidates,
            Err(finding) => return self.unreadable(*finding),
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
            Err(finding) if finding.is_duplicate => return self.report(*finding.finding),
            Err(finding) => return self.unreadable(*finding.finding),
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
            Err(error) => {
                let message = format!("cannot read `{name}`: {error}");
                let finding = Finding::new(Code::BadImport, line.path.span, message, "imported here");
                self.unreadable(finding.help("check its permissions"));
            }
        }
    }
}
