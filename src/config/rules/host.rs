//! What a file says of its host, and whether it is so: variables, programs, paths, file systems.
//!
//! Takes the document, gives the [`Ask`]s that it makes of a host (OPS7002, OPS5013), and has them looked at when the user
//! wants it: `check --host`. Beside `load` the only file of `config` that touches the file system; besides it, nothing
//! here reads the environment.
//! Invariant: gathering looks at nothing; what cannot be seen for want of permission is not said to be absent.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::Document;
use crate::config::nodes::{HostObject, HostReference, SearchPath};
use crate::config::rules::validate::Place;
use crate::config::source::Span;
use crate::config::source::paths::shown;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The codes that only a look at the host can give.
pub(in crate::config) const CODES: &[Code] = &[Code::SameFileSystem, Code::HostFact];

/// Something that must be so on the host.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Ask {
    span: Span,
    fact: Fact,
}

#[derive(Debug, PartialEq, Eq)]
enum Fact {
    Variable(String),
    /// It is in one of the directories of this list, or of the inherited one.
    Program {
        word: String,
        path: Option<String>,
    },
    /// It is there and may be executed.
    Executable(PathBuf),
    Directory(PathBuf, &'static str),
    File(PathBuf, &'static str),
    /// The two are on two file systems.
    Apart {
        backup: String,
        from: Span,
        source: PathBuf,
        to: PathBuf,
    },
}

/// Everything that the document takes for granted.
pub(in crate::config) fn asks(document: &Document, places: &[Place<'_>]) -> Vec<Ask> {
    let targets = document.targets.iter().map(|node| &node.job.host_references);
    let checks = document.checks.iter().map(|node| &node.job.host_references);
    let channels = document.channels.iter().map(|node| &node.host_references);
    let references = targets.chain(checks).chain(channels).flatten();
    let mut asks: Vec<Ask> = references.filter_map(ask).collect();
    for place in places {
        let (Some(source), Some(from)) = (&place.source, &place.node.source) else {
            continue;
        };
        asks.push(Ask {
            span: from.span,
            fact: Fact::Directory(source.clone(), "source"),
        });
        if let (Some(to), Some(into)) = (&place.to, &place.node.to) {
            asks.push(Ask {
                span: into.span,
                fact: Fact::Apart {
                    backup: place.name.to_owned(),
                    from: from.span,
                    source: source.clone(),
                    to: to.clone(),
                },
            });
        }
    }
    asks
}

fn ask(reference: &HostReference) -> Option<Ask> {
    let fact = match &reference.what {
        HostObject::Variable(name) => Fact::Variable(name.clone()),
        HostObject::Program(_, SearchPath::Unknown) => return None,
        HostObject::Program(path, _) if path.contains('/') => Fact::Executable(PathBuf::from(path)),
        HostObject::Program(word, search) => Fact::Program {
            word: word.clone(),
            path: match search {
                SearchPath::Own(path) => Some(path.clone()),
                SearchPath::Inherited | SearchPath::Unknown => None,
            },
        },
        HostObject::File(path, setting) => Fact::File(path.clone(), setting),
        HostObject::Directory(path, setting) => Fact::Directory(path.clone(), setting),
    };
    Some(Ask {
        span: reference.span,
        fact,
    })
}

/// Looks at the host, and says what is not so.
pub(in crate::config) fn look(asks: &[Ask], findings: &mut Vec<Finding>) {
    findings.extend(asks.iter().filter_map(|ask| judged(ask.span, &ask.fact)));
}

fn judged(span: Span, fact: &Fact) -> Option<Finding> {
    let finding = |message: String, label: &str| Finding::new(Code::HostFact, span, message, label);
    match fact {
        Fact::Variable(name) if std::env::var_os(name).is_none() => {
            let name = excerpt(name);
            Some(
                finding(format!("the variable `{name}` is not set"), "read from it").help(format!(
                    "set it where opsrun is started: `export {name}=…`, or `Environment=` of its systemd unit"
                )),
            )
        }
        Fact::Program { word, path } => {
            let list = path.as_ref().map(OsString::from).or_else(|| std::env::var_os("PATH"));
            let found = std::env::split_paths(&list.unwrap_or_default()).any(|dir| executable(&dir.join(word)));
            let word = excerpt(word);
            (!found).then(|| {
                finding(format!("there is no program `{word}` in PATH"), "not found").help(format!(
                    "install it, or write where it is: `command \"/opt/bin/{word}\"`"
                ))
            })
        }
        Fact::Executable(file) if is_absent(file) => Some(
            finding(format!("there is no program `{}`", shown(file)), "not found")
                .help("paths start at the directory of this file; a name without `/` is looked for in PATH"),
        ),
        Fact::Executable(file) if file.metadata().is_ok() && !executable(file) => Some(
            finding(
                format!("`{}` cannot be executed", shown(file)),
                "no right to execute it",
            )
            .help(format!("`chmod +x {}`", shown(file))),
        ),
        Fact::Directory(dir, setting) if is_absent(dir) => Some(absent(finding, dir, setting, "directory")),
        Fact::Directory(dir, setting) if dir.metadata().is_ok_and(|meta| !meta.is_dir()) => Some(
            finding(format!("`{}` is no directory", shown(dir)), "a directory belongs here")
                .help(format!("name the directory that holds it: `{setting} \"…\"`")),
        ),
        Fact::File(file, setting) if is_absent(file) => Some(absent(finding, file, setting, "file")),
        Fact::Apart {
            backup,
            from,
            source,
            to,
        } => {
            let (one, other) = (device(source)?, device(to)?);
            (one == other && source.exists()).then(|| {
                Finding::new(
                    Code::SameFileSystem,
                    span,
                    format!("the copies of the backup `{backup}` are on the file system of its source"),
                    "the same disk",
                )
                .also(*from, "its source")
                .help(
                    "what takes the one takes the other: let `to` name a directory on another disk, or say that it is \
                     meant with `allow \"same-file-system\" reason=\"…\"`",
                )
            })
        }
        _ => None,
    }
}

fn absent(finding: impl Fn(String, &str) -> Finding, path: &Path, setting: &str, what: &str) -> Finding {
    finding(format!("there is no {what} `{}`", shown(path)), "not on this host")
        .help(format!("create it, mount what holds it, or write another `{setting}`"))
}

/// Surely not there.
fn is_absent(path: &Path) -> bool {
    path.metadata()
        .is_err_and(|error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

fn executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The file system of a path, or of the nearest directory above it that is there.
fn device(path: &Path) -> Option<u64> {
    let meta = path.ancestors().find_map(|above| above.metadata().ok())?;
    Some(meta.dev())
}

#[cfg(test)]
mod tests {
    use crate::config::{CheckOptions, check, load_text};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn said(dir: &Path, text: &str) -> Vec<(String, String)> {
        let loaded = check(&dir.join("ops.kdl"), text.as_bytes().to_vec(), look());
        let said = loaded.findings.iter();
        said.map(|f| (f.code.id().to_owned(), f.message.clone())).collect()
    }

    fn look() -> CheckOptions {
        CheckOptions {
            now: chrono::DateTime::UNIX_EPOCH,
            host: true,
        }
    }

    fn host() -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        for name in ["data", "bin"] {
            std::fs::create_dir(temp.path().join(name)).unwrap();
        }
        for (name, mode) in [("bin/runs", 0o755), ("bin/plain", 0o644)] {
            let path = temp.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        }
        temp
    }

    #[test]
    fn what_is_there_is_not_mentioned() {
        let temp = host();
        let bin = temp.path().join("bin");
        let text = format!(
            "target \"a\" {{ command \"runs\"; cwd \"data\"; env \"PATH\" \"{}\"; }}\n\
             target \"b\" {{ command \"bin/runs\"; env \"TOKEN\" from-file=\"bin/plain\"; env \"H\" from-env=\"PATH\"; }}\n\
             target \"c\" {{ command \"sh\"; }}\n",
            bin.display()
        );
        assert_eq!(said(temp.path(), &text), []);
    }

    #[test]
    fn what_is_absent_is_said_with_its_place() {
        let temp = host();
        for (setting, message) in [
            (
                "command \"no-such-program\"",
                "there is no program `no-such-program` in PATH",
            ),
            ("command \"bin/gone\"", "there is no program"),
            ("command \"bin/plain\"", "cannot be executed"),
            ("command \"sh\"; cwd \"gone\"", "there is no directory"),
            ("command \"sh\"; cwd \"bin/plain\"", "is no directory"),
            ("command \"sh\"; env \"TOKEN\" from-file=\"gone\"", "there is no file"),
            (
                "command \"sh\"; env \"TOKEN\" from-env=\"OPSRUN_NEVER_SET\"",
                "the variable `OPSRUN_NEVER_SET` is not set",
            ),
            (
                "command \"sh\"; env \"TOKEN\" { from-command \"no-such-program\"; }",
                "there is no program",
            ),
            (
                "command \"sh\"; }\nchannel \"c\" { slack { url from-env=\"OPSRUN_NEVER_SET\"; }",
                "the variable `OPSRUN_NEVER_SET` is not set",
            ),
        ] {
            let text = format!("target \"a\" {{ {setting}; }}\n");
            let found = said(temp.path(), &text);
            let [(code, said)] = found.as_slice() else {
                panic!("{setting}: {found:?}")
            };
            assert_eq!(code, "OPS7002");
            assert!(said.contains(message), "{setting}: {said}");
        }
    }

    #[test]
    fn two_directories_of_one_disk_are_no_two_copies() {
        let temp = host();
        let text = "backup \"a\" { source \"data\"; to \"copies/far/below\"; }\n";
        let found = said(temp.path(), text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "OPS5013");
        let apart = "backup \"a\" { source \"/proc/sys\"; to \"copies\"; }\n";
        assert_eq!(said(temp.path(), apart), []);
        let allowed =
            "backup \"a\" { source \"data\"; to \"copies\"; allow \"same-file-system\" reason=\"a test\"; }\n";
        assert_eq!(said(temp.path(), allowed), []);
        // Without a look at the host nobody knows whether that is needed.
        let loaded = load_text(&temp.path().join("ops.kdl"), allowed.as_bytes().to_vec());
        assert_eq!(loaded.findings, []);
        assert_eq!(loaded.unasked, 2);
    }
}
