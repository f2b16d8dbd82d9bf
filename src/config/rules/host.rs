//! What a file assumes about its host, and whether it is true (OPS7002, OPS5013): variables, programs, paths, file systems.
//!
//! `check --host` verifies the [`HostAssumption`]s. Besides `source::import` the only file of `config` that touches the
//! file system, and the only one that reads the environment.
//! Invariant: collecting touches nothing; what cannot be seen for lack of permission is not reported as missing.

use crate::archive;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::Document;
use crate::config::nodes::{HostObject, HostReference, SearchPath};
use crate::config::rules::names::ResolvedRetention;
use crate::config::source::paths::shown;
use crate::config::source::{Span, Spanned};
use crate::file_system;
use crate::model::{InUse, Strategy};
use crate::own_process;
use crate::secret::SecretDoubt;
use crate::units::joined;
use crate::user_database::{AccountError, RunAs, account};
use rustix::fs::{Mode, OFlags};
use std::borrow::Cow;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many entries of a source are looked at, at most, for a file of another user.
const MAX_LOOKED_AT: usize = 10_000;

/// The codes that only a look at the host can give.
pub const CODES: &[Code] = &[Code::SameFileSystem, Code::HostFact, Code::ZoneData];

/// Something that must be so on the host.
#[derive(Debug)]
pub enum HostAssumption<'a> {
    Reference(&'a HostReference),
    /// A directory that a backup reads.
    Source(&'a Spanned<PathBuf>),
    /// Leases on the file system of the source notice every writer.
    NoticedWriters {
        retention: &'a ResolvedRetention<'a>,
        backup: &'a Spanned<String>,
        source: &'a Path,
    },
    /// opsrun may take leases on all files of the source.
    LeasedFiles {
        retention: &'a ResolvedRetention<'a>,
        backup: &'a Spanned<String>,
        source: &'a Path,
    },
    /// The two are on two file systems, and the file system of the copies can do all that copies need.
    Destination {
        backup: &'a str,
        source: &'a Spanned<PathBuf>,
        to: &'a Spanned<PathBuf>,
        require_mount: bool,
        trees: bool,
    },
}

/// Everything that the document takes for granted.
pub fn asks<'a>(document: &'a Document, retentions: &'a [ResolvedRetention<'a>]) -> Vec<HostAssumption<'a>> {
    let targets = document.targets.iter().map(|node| &node.job.host_references);
    let checks = document.checks.iter().map(|node| &node.job.host_references);
    let channels = document.channels.iter().map(|node| &node.host_references);
    let references = targets.chain(checks).chain(channels).flatten();
    // Where such a program is searched is not known.
    let known = references.filter(|reference| !matches!(reference.what, HostObject::Program(_, SearchPath::Unknown)));
    let mut asks: Vec<HostAssumption<'_>> = known.map(HostAssumption::Reference).collect();
    for node in &document.backups {
        if let Some(source) = &node.source {
            asks.push(HostAssumption::Source(source));
            let backup = node.name();
            asks.extend(node.to.as_ref().map(|to| HostAssumption::Destination {
                backup,
                source,
                to,
                require_mount: node.require_mount,
                trees: node.strategy == Strategy::Copy,
            }));
        }
    }
    for retention in retentions
        .iter()
        .filter(|retention| retention.node.in_use == InUse::Keep)
    {
        if let (Some(backup), Some(source)) = (&retention.node.backup, &retention.backup.source) {
            let source = &source.value;
            asks.push(HostAssumption::NoticedWriters {
                retention,
                backup,
                source,
            });
            asks.push(HostAssumption::LeasedFiles {
                retention,
                backup,
                source,
            });
        }
    }
    asks
}

/// Looks at the host, and says what is not so.
pub fn look(asks: &[HostAssumption<'_>], findings: &mut Vec<Finding>) {
    findings.extend(asks.iter().flat_map(|ask| match ask {
        HostAssumption::Reference(reference) => referenced(reference).into_iter().collect(),
        HostAssumption::Source(source) => directory(source.span, &source.value, "source").into_iter().collect(),
        HostAssumption::NoticedWriters {
            retention,
            backup,
            source,
        } => unnoticed_writers(retention, backup.span, source).into_iter().collect(),
        HostAssumption::LeasedFiles {
            retention,
            backup,
            source,
        } => foreign_files(retention, backup.span, source).into_iter().collect(),
        HostAssumption::Destination {
            backup,
            source,
            to,
            require_mount,
            trees,
        } => {
            if *require_mount && !file_system::is_on_own_mount(&to.value, &source.value) {
                return vec![unmounted(to)];
            }
            let mut found = poor_destination(backup, to, *trees);
            found.extend(same_device(backup, source, to));
            found
        }
    }));
}

fn missing(span: Span, message: String, label: &str, help: impl Into<String>) -> Finding {
    Finding::new(Code::HostFact, span, message, label).help(help)
}

fn referenced(HostReference { span, what }: &HostReference) -> Option<Finding> {
    match what {
        HostObject::Variable(name) => variable(*span, name),
        HostObject::Program(path, _) if path.contains('/') => program_file(*span, Path::new(path)),
        HostObject::Program(word, search) => program(*span, word, search),
        HostObject::File(file, setting) if is_absent(file) => Some(absent(*span, file, setting, "file")),
        HostObject::File(file, "from-file") => doubtful_file(*span, file),
        HostObject::File(..) => None,
        HostObject::Directory(dir, setting) => directory(*span, dir, setting),
        HostObject::OutputDirectory(dir) => output_directory(*span, dir),
        HostObject::Account(run_as) => run_as_another(*span, run_as),
    }
}

fn output_directory(span: Span, dir: &Path) -> Option<Finding> {
    let there = dir.ancestors().find(|above| !is_absent(above))?;
    let meta = there.metadata().ok()?;
    let writable = rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok();
    let (why, help) = match (meta.is_dir(), writable) {
        (true, true) => return None,
        (true, false) => (
            "cannot be written to",
            "let the user of opsrun write there, or change `stdout`",
        ),
        (false, _) => (
            "is not a directory",
            "change `stdout`: its directory is made when it is missing",
        ),
    };
    Some(missing(
        span,
        format!("`{}` {why}", shown(there)),
        "the file cannot be made there",
        help,
    ))
}

fn run_as_another(span: Span, run_as: &RunAs) -> Option<Finding> {
    match account(run_as) {
        Err(error) => {
            let (label, help) = match &error {
                AccountError::NoUser(_) => ("not on this host", "create the user, or correct `user`"),
                AccountError::NoGroup(_) => ("not on this host", "create the group, or correct `group`"),
                AccountError::NoGroups(_) | AccountError::Silent => (
                    "unknown",
                    "check the directory service that the system asks for users (`getent passwd`)",
                ),
            };
            Some(missing(span, error.to_string(), label, help))
        }
        Ok(account) if !account.is_own() && !own_process::may_change_user() => {
            let message = format!("opsrun may not run commands as {run_as}");
            let label = "only root, or CAP_SETUID, CAP_SETGID and CAP_KILL, may do that";
            let help = "start opsrun as root, or as that user and without this setting";
            Some(missing(span, message, label, help))
        }
        Ok(_) => None,
    }
}

fn variable(span: Span, name: &str) -> Option<Finding> {
    if let Some(value) = std::env::var_os(name) {
        let place = format!("the variable `{}`", excerpt(name));
        return value.to_str().and_then(|secret| doubtful(span, &place, secret));
    }
    let name = excerpt(name);
    let help = format!("set it where opsrun is started: `export {name}=…`, or `Environment=` of its systemd unit");
    let message = format!("the variable `{name}` is not set");
    Some(missing(span, message, "read from it", help))
}

/// A secret that is hardly one. What is empty or cannot be read is reported when it is needed.
fn doubtful(span: Span, place: &str, secret: &str) -> Option<Finding> {
    let doubt = SecretDoubt::about(secret).filter(|_| !secret.is_empty())?;
    let message = format!("the secret in {place} {doubt}");
    Some(missing(span, message, "taken from it", SecretDoubt::HELP))
}

fn doubtful_file(span: Span, file: &Path) -> Option<Finding> {
    /// A longer one is neither short nor a word.
    const MAX_BYTES: u64 = 64;
    // A pipe would never end.
    file.metadata()
        .ok()
        .filter(|found| found.is_file() && found.len() <= MAX_BYTES)?;
    let text = std::fs::read_to_string(file).ok()?;
    let secret = text
        .strip_suffix('\n')
        .map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    doubtful(span, &format!("the file `{}`", shown(file)), secret)
}

fn program_file(span: Span, file: &Path) -> Option<Finding> {
    let name = shown(file);
    if is_absent(file) {
        let help = "paths are relative to the directory of this file; names without `/` are searched in PATH";
        let message = format!("cannot find the program `{name}`");
        return Some(missing(span, message, "not found", help));
    }
    if file.metadata().is_err() || executable(file) {
        return None;
    }
    let message = format!("`{name}` cannot be executed");
    let help = format!("`chmod +x {name}`");
    Some(missing(span, message, "not executable", help))
}

fn program(span: Span, word: &str, search: &SearchPath) -> Option<Finding> {
    let list = match search {
        SearchPath::Own(path) => Some(OsString::from(path)),
        SearchPath::Inherited => std::env::var_os("PATH"),
        SearchPath::Unknown => return None,
    };
    if std::env::split_paths(&list.unwrap_or_default()).any(|dir| executable(&dir.join(word))) {
        return None;
    }
    let word = excerpt(word);
    let help = format!("install it, or write its path, for example `command \"/opt/bin/{word}\"`");
    let message = format!("cannot find the program `{word}` in PATH");
    Some(missing(span, message, "not found", help))
}

fn directory(span: Span, dir: &Path, setting: &str) -> Option<Finding> {
    if is_absent(dir) {
        return Some(absent(span, dir, setting, "directory"));
    }
    if dir.metadata().is_ok_and(|meta| !meta.is_dir()) {
        let help = format!("use the directory that contains it: `{setting} \"…\"`");
        let message = format!("`{}` is not a directory", shown(dir));
        return Some(missing(span, message, "expected a directory", help));
    }
    None
}

fn absent(span: Span, path: &Path, setting: &str, what: &str) -> Finding {
    let help = format!("create it, mount its file system, or change `{setting}`");
    missing(
        span,
        format!("cannot find the {what} `{}`", shown(path)),
        "not on this host",
        help,
    )
}

fn unnoticed_writers(retention: &ResolvedRetention<'_>, span: Span, source: &Path) -> Option<Finding> {
    let name = excerpt(retention.node.name());
    let mounts = if retention.backup.cross_mounts {
        file_system::mounts_below(source)
    } else {
        Vec::new()
    };
    let what = match unreliable(source) {
        Some(kind) => format!("retention `{name}` deletes nothing: its source is on {kind}"),
        None => mounts.iter().find_map(|mount| {
            let kind = unreliable(mount)?;
            Some(format!(
                "retention `{name}` deletes nothing below `{}`: it is on {kind}",
                shown(mount)
            ))
        })?,
    };
    let label = "opsrun cannot see there whether a program has a file mapped for writing";
    let help = "use a source on ext4, XFS, Btrfs or tmpfs (in a container: a volume), or accept the loss of what such a \
                program writes with `in-use \"ignore\"`";
    Some(missing(span, what, label, help))
}

/// The name of the file system of a directory on which leases may miss a writer.
fn unreliable(directory: &Path) -> Option<Cow<'static, str>> {
    // It may be no directory at all: nothing is opened for reading.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    file_system::unreliable_leases(rustix::fs::open(directory, flags, Mode::empty()).ok()?)
}

/// Files of other users that are kept for want of CAP_LEASE.
fn foreign_files(retention: &ResolvedRetention<'_>, span: Span, source: &Path) -> Option<Finding> {
    if own_process::has_cap_lease() || unreliable(source).is_some() {
        return None;
    }
    let own = rustix::process::geteuid().as_raw();
    let found = walkdir::WalkDir::new(source).same_file_system(!retention.backup.cross_mounts);
    let mut files = found.into_iter().take(MAX_LOOKED_AT).flatten();
    let foreign =
        files.find(|file| file.file_type().is_file() && file.metadata().is_ok_and(|meta| meta.uid() != own))?;
    let path = foreign.path().strip_prefix(source).unwrap_or(foreign.path());
    let message = format!(
        "retention `{}` keeps files of other users, such as `{}`",
        excerpt(retention.node.name()),
        shown(path)
    );
    let label = "only their owner or CAP_LEASE may check whether a program writes to them";
    let help = "add CAP_LEASE: `--cap-add LEASE` for a container, `CapabilityBoundingSet=` and `AmbientCapabilities=` for a \
                systemd unit; or accept the loss of what such a program writes with `in-use \"ignore\"`";
    Some(missing(span, message, label, help))
}

fn unmounted(to: &Spanned<PathBuf>) -> Finding {
    let message = format!("no disk is mounted at the destination `{}`", shown(&to.value));
    let label = "`require-mount` refuses every run until then";
    let help = "mount it; the directory must not be on the mount of `/` or of the source";
    missing(to.span, message, label, help)
}

/// What the file system of the copies cannot do, a finding each. A destination that is not there yet says little.
fn poor_destination(backup: &str, to: &Spanned<PathBuf>, trees: bool) -> Vec<Finding> {
    let place = format!("the destination of backup `{}`", excerpt(backup));
    let unwritable = |why: &str| {
        let help = "mount it writable, free space there, or change `to`";
        missing(
            to.span,
            format!("{place} cannot be written to: {why}"),
            "no copy can be made there",
            help,
        )
    };
    if file_system::refuses_writes(&to.value) {
        return vec![unwritable("its file system is mounted read-only")];
    }
    let abilities = match archive::try_destination(&to.value) {
        None => return Vec::new(),
        Some(Err(why)) => return vec![unwritable(&why)],
        Some(Ok(abilities)) => abilities,
    };
    let another = "docs/file-systems.md explains it; another file system has it";
    let lacking = abilities.lacking().into_iter();
    let mut found: Vec<Finding> = lacking
        .map(|(what, follows)| missing(to.span, format!("{place} has no {what}"), follows, another))
        .collect();
    let lost = abilities.lost_in_trees();
    if trees && !lost.is_empty() {
        let help = "`strategy \"archive\"` keeps all of it inside the archive";
        let message = format!("{place} does not keep {}", joined(&lost));
        found.push(missing(
            to.span,
            message,
            "a tree of plain files lacks it; the list has it",
            help,
        ));
    }
    found
}

fn same_device(backup: &str, source: &Spanned<PathBuf>, to: &Spanned<PathBuf>) -> Option<Finding> {
    if device(&source.value)? != device(&to.value)? || !source.value.exists() {
        return None;
    }
    let message = format!("the source and the copies of backup `{backup}` are on the same file system");
    Some(
        Finding::new(Code::SameFileSystem, to.span, message, "the same disk")
            .also(source.span, "its source")
            .help(
                "a failed disk loses both: write the copies to another disk, or add \
                 `allow \"same-file-system\" reason=\"…\"`",
            ),
    )
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
