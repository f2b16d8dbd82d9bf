//! What a file assumes about its host, and whether it is true (OPS7002, OPS5013): variables, programs, paths, file systems.
//!
//! `check --host` verifies the [`HostAssumption`]s. Besides `source::import` the only file of `config` that touches the
//! file system, and the only one that reads the environment.
//! Invariant: collecting touches nothing; what cannot be seen for lack of permission is not reported as missing.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::Document;
use crate::config::nodes::{HostObject, HostReference, SearchPath};
use crate::config::rules::resolved::{ResolvedBackup, ResolvedRetention};
use crate::config::source::Span;
use crate::config::source::paths::shown;
use crate::file_system;
use crate::model::InUse;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The codes that only a look at the host can give.
pub(in crate::config) const CODES: &[Code] = &[Code::SameFileSystem, Code::HostFact];

/// Something that must be so on the host.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct HostAssumption {
    span: Span,
    fact: HostFact,
}

#[derive(Debug, PartialEq, Eq)]
enum HostFact {
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
    /// Leases on the file system of the source notice every writer.
    WritersNoticed {
        retention: String,
        source: PathBuf,
    },
    /// The two are on two file systems.
    Apart {
        backup: String,
        from: Span,
        source: PathBuf,
        to: PathBuf,
    },
}

/// Everything that the document takes for granted.
pub(in crate::config) fn asks(
    document: &Document,
    places: &[ResolvedBackup<'_>],
    retentions: &[ResolvedRetention<'_>],
) -> Vec<HostAssumption> {
    let targets = document.targets.iter().map(|node| &node.job.host_references);
    let checks = document.checks.iter().map(|node| &node.job.host_references);
    let channels = document.channels.iter().map(|node| &node.host_references);
    let references = targets.chain(checks).chain(channels).flatten();
    let mut asks: Vec<HostAssumption> = references.filter_map(ask).collect();
    for place in places {
        let (Some(source), Some(from)) = (&place.source, &place.node.source) else {
            continue;
        };
        asks.push(HostAssumption {
            span: from.span,
            fact: HostFact::Directory(source.clone(), "source"),
        });
        if let (Some(to), Some(into)) = (&place.to, &place.node.to) {
            asks.push(HostAssumption {
                span: into.span,
                fact: HostFact::Apart {
                    backup: place.name.to_owned(),
                    from: from.span,
                    source: source.clone(),
                    to: to.clone(),
                },
            });
        }
    }
    for retention in retentions
        .iter()
        .filter(|retention| retention.node.in_use == InUse::Keep)
    {
        if let (Some(span), Some(source)) = (&retention.node.backup, &retention.backup.source) {
            asks.push(HostAssumption {
                span: span.span,
                fact: HostFact::WritersNoticed {
                    retention: retention.name.to_owned(),
                    source: source.clone(),
                },
            });
        }
    }
    asks
}

fn ask(reference: &HostReference) -> Option<HostAssumption> {
    let fact = match &reference.what {
        HostObject::Variable(name) => HostFact::Variable(name.clone()),
        HostObject::Program(_, SearchPath::Unknown) => return None,
        HostObject::Program(path, _) if path.contains('/') => HostFact::Executable(PathBuf::from(path)),
        HostObject::Program(word, search) => HostFact::Program {
            word: word.clone(),
            path: match search {
                SearchPath::Own(path) => Some(path.clone()),
                SearchPath::Inherited | SearchPath::Unknown => None,
            },
        },
        HostObject::File(path, setting) => HostFact::File(path.clone(), setting),
        HostObject::Directory(path, setting) => HostFact::Directory(path.clone(), setting),
    };
    Some(HostAssumption {
        span: reference.span,
        fact,
    })
}

/// Looks at the host, and says what is not so.
pub(in crate::config) fn look(asks: &[HostAssumption], findings: &mut Vec<Finding>) {
    findings.extend(asks.iter().filter_map(|ask| judged(ask.span, &ask.fact)));
}

fn judged(span: Span, fact: &HostFact) -> Option<Finding> {
    let finding = |message: String, label: &str| Finding::new(Code::HostFact, span, message, label);
    match fact {
        HostFact::Variable(name) if std::env::var_os(name).is_none() => {
            let name = excerpt(name);
            Some(
                finding(format!("the variable `{name}` is not set"), "read from it").help(format!(
                    "set it where opsrun is started: `export {name}=…`, or `Environment=` of its systemd unit"
                )),
            )
        }
        HostFact::Program { word, path } => {
            let list = path.as_ref().map(OsString::from).or_else(|| std::env::var_os("PATH"));
            let found = std::env::split_paths(&list.unwrap_or_default()).any(|dir| executable(&dir.join(word)));
            let word = excerpt(word);
            (!found).then(|| {
                finding(format!("cannot find the program `{word}` in PATH"), "not found").help(format!(
                    "install it, or write its path, for example `command \"/opt/bin/{word}\"`"
                ))
            })
        }
        HostFact::Executable(file) if is_absent(file) => Some(
            finding(format!("cannot find the program `{}`", shown(file)), "not found")
                .help("paths are relative to the directory of this file; names without `/` are searched in PATH"),
        ),
        HostFact::Executable(file) if file.metadata().is_ok() && !executable(file) => Some(
            finding(format!("`{}` cannot be executed", shown(file)), "not executable")
                .help(format!("`chmod +x {}`", shown(file))),
        ),
        HostFact::Directory(dir, setting) if is_absent(dir) => Some(absent(finding, dir, setting, "directory")),
        HostFact::Directory(dir, setting) if dir.metadata().is_ok_and(|meta| !meta.is_dir()) => Some(
            finding(format!("`{}` is not a directory", shown(dir)), "expected a directory")
                .help(format!("use the directory that contains it: `{setting} \"…\"`")),
        ),
        HostFact::File(file, setting) if is_absent(file) => Some(absent(finding, file, setting, "file")),
        HostFact::WritersNoticed { retention, source } => {
            let name = file_system::unreliable_leases(std::fs::File::open(source).ok()?)?;
            Some(
                finding(
                    format!(
                        "retention `{}` deletes nothing: its source is on {name}",
                        excerpt(retention)
                    ),
                    "opsrun cannot see there whether a program has a file mapped for writing",
                )
                .help(
                    "use a source on ext4, XFS, Btrfs or tmpfs (in a container: a volume), or accept the loss of what \
                     such a program writes with `in-use \"ignore\"`",
                ),
            )
        }
        HostFact::Apart {
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
                    format!("the source and the copies of backup `{backup}` are on the same file system"),
                    "the same disk",
                )
                .also(*from, "its source")
                .help(
                    "a failed disk loses both: write the copies to another disk, or add \
                     `allow \"same-file-system\" reason=\"…\"`",
                )
            })
        }
        _ => None,
    }
}

fn absent(finding: impl Fn(String, &str) -> Finding, path: &Path, setting: &str, what: &str) -> Finding {
    finding(format!("cannot find the {what} `{}`", shown(path)), "not on this host")
        .help(format!("create it, mount its file system, or change `{setting}`"))
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
    #[cfg_attr(not(feature = "http"), ignore = "needs the feature http")]
    fn what_is_absent_is_said_with_its_place() {
        let temp = host();
        for (setting, message) in [
            (
                "command \"no-such-program\"",
                "cannot find the program `no-such-program` in PATH",
            ),
            ("command \"bin/gone\"", "cannot find the program"),
            ("command \"bin/plain\"", "cannot be executed"),
            ("command \"sh\"; cwd \"gone\"", "cannot find the directory"),
            ("command \"sh\"; cwd \"bin/plain\"", "is not a directory"),
            (
                "command \"sh\"; env \"TOKEN\" from-file=\"gone\"",
                "cannot find the file",
            ),
            (
                "command \"sh\"; env \"TOKEN\" from-env=\"OPSRUN_NEVER_SET\"",
                "the variable `OPSRUN_NEVER_SET` is not set",
            ),
            (
                "command \"sh\"; env \"TOKEN\" { from-command \"no-such-program\"; }",
                "cannot find the program",
            ),
            (
                "command \"sh\"; }\nchannel \"c\" { slack { url from-env=\"OPSRUN_NEVER_SET\"; }",
                "the variable `OPSRUN_NEVER_SET` is not set",
            ),
        ] {
            let text = format!("target \"a\" {{ {setting}; }}\n");
            let found = said(temp.path(), &text);
            let [(code, found)] = found.as_slice() else {
                panic!("{setting}: {found:?}")
            };
            assert_eq!(code, "OPS7002");
            assert!(found.contains(message), "{setting}: {found}");
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
        // Without `--host` it is unknown whether that is needed.
        let loaded = load_text(&temp.path().join("ops.kdl"), allowed.as_bytes().to_vec());
        assert_eq!(loaded.findings, []);
        assert_eq!(loaded.unasked, 2);
    }
}
