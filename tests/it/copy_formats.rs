//! The formats of copies: those of older versions are read, verified and restored; those of later versions are rejected
//! as newer, never as damaged.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed; tests play the part of other programs"
)]

use crate::support::sandbox::refuse;
use crate::support::trees::{Quiet, write};
use crate::support::workspace::{Workspace, files, is_root, opsrun, output_of, run_with_input};
use opsrun::archive::file_entry::hex;
use opsrun::archive::{self, Catalogue, CopyError, CopyName, Manifest};
use opsrun::model::Strategy;
use opsrun::tree::Dir;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Kept copies that any user can unpack and read.
const KEPT: [&str; 4] = ["format-1", "format-2", "format-3-archive", "format-3-tree"];

/// Those whose files must have their owners.
const KEPT_OF_ROOT: [&str; 2] = ["format-2-root", "format-3-tree-root"];

fn kept() -> Vec<&'static str> {
    let of_root = KEPT_OF_ROOT.iter().filter(|_| is_root());
    KEPT.iter().chain(of_root).copied().collect()
}

fn fixture(name: &str) -> PathBuf {
    Path::new("tests/fixtures/copies").join(name)
}

/// Unpacks a kept copy; gives its destination.
fn unpacked(kept: &str, to: &Path) -> PathBuf {
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "-xpzf"])
        .arg(fixture(&format!("{kept}.tar.gz")))
        .arg("-C")
        .arg(to);
    output_of(&tar.output().unwrap(), 0);
    to.join("copies")
}

#[test]
fn copies_of_every_format_are_listed_and_verified() {
    for kept in kept() {
        let temp = tempfile::tempdir().unwrap();
        let from = unpacked(kept, temp.path());
        let run = |args: &[&str]| {
            let output = opsrun(temp.path(), args).arg("--from").arg(&from).output().unwrap();
            output_of(&output, 0)
        };
        let listed = run(&["list"]);
        assert!(
            listed.contains("complete") && listed.contains("1 copy"),
            "{kept}: {listed}"
        );
        let verified = run(&["verify"]);
        assert!(verified.contains("1 copy intact"), "{kept}: {verified}");
    }
}

/// An entry as the file beside a kept copy describes it.
fn describe(root: &Path, path: &Path) -> String {
    let meta = path.symlink_metadata().unwrap();
    let mode = meta.mode() & 0o7777;
    let (kind, mode, content) = if meta.is_symlink() {
        let to = fs::read_link(path).unwrap();
        ("link", 0o777, quoted(to.as_os_str().as_bytes()))
    } else if meta.is_dir() {
        ("dir", mode, "-".to_owned())
    } else {
        ("file", mode, hex(&Sha256::digest(fs::read(path).unwrap())))
    };
    let mut names: Vec<_> = xattr::list(path).unwrap().collect();
    names.sort();
    let xattrs = names.iter().map(|name| {
        let value = xattr::get(path, name).unwrap().unwrap();
        let value = hex(&value);
        format!("{}={value}", quoted(name.as_bytes()))
    });
    let xattrs = xattrs.collect::<Vec<_>>().join(",");
    let xattrs = if xattrs.is_empty() { "-" } else { &xattrs };
    let below = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
    let path = if below.is_empty() {
        ".".to_owned()
    } else {
        quoted(below)
    };
    let (uid, gid) = (meta.uid(), meta.gid());
    let time = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    format!("{path} {kind} {mode:o} {uid}:{gid} {time} {content} {xattrs}")
}

fn quoted(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let quote = |byte: &u8| {
        if plain(*byte) {
            char::from(*byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    bytes.iter().map(quote).collect()
}

/// What an ordinary user can have of it.
fn of_user(line: &str) -> String {
    let mut fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let mode = u32::from_str_radix(&fields[2], 8).unwrap();
    fields[2] = format!("{:o}", mode & 0o1777);
    "-".clone_into(&mut fields[3]);
    let ours = |xattr: &&str| !xattr.starts_with("security.") && !xattr.starts_with("trusted.");
    fields[6] = fields[6].split(',').filter(ours).collect::<Vec<_>>().join(",");
    fields.join(" ").trim_end_matches(" -").trim_end().to_owned()
}

#[test]
fn copies_of_every_format_are_restored_as_they_were() {
    for kept in kept() {
        let temp = tempfile::tempdir().unwrap();
        let from = unpacked(kept, temp.path());
        let mut restore = opsrun(temp.path(), &["restore", "--to", "out", "--from"]);
        let output = restore.arg(from).output().unwrap();
        let text = output_of(&output, if is_root() { 0 } else { 4 });
        let out = temp.path().join("out");
        let mut found: Vec<String> = walkdir::WalkDir::new(&out)
            .into_iter()
            .map(|item| describe(&out, item.unwrap().path()))
            .collect();
        let wanted = fs::read_to_string(fixture(&format!("{kept}.shape"))).unwrap();
        let mut wanted: Vec<String> = wanted.lines().map(str::to_owned).collect();
        if !kept.starts_with("format-3") {
            // The older formats do not say what the source's own directory was like.
            assert!(text.contains("does not record"), "{text}");
            found.retain(|line| !line.starts_with(". "));
            wanted.retain(|line| !line.starts_with(". "));
        }
        if !is_root() {
            found
                .iter_mut()
                .chain(&mut wanted)
                .for_each(|line| *line = of_user(line));
        }
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{kept}");
    }
}

/// A manifest with the checksum that its text should have.
fn sealed(text: &str) -> Vec<u8> {
    let (before, _) = text.rsplit_once("\"self_checksum\": \"").unwrap();
    let (before, end) = (format!("{before}\"self_checksum\": \""), "\"\n}\n");
    let checksum = hex(&Sha256::digest(format!("{before}{end}")));
    format!("{before}{checksum}{end}").into_bytes()
}

struct Copied {
    temp: tempfile::TempDir,
    name: CopyName,
}

impl Copied {
    fn new(strategy: Strategy) -> Self {
        let temp = tempfile::tempdir().unwrap();
        for dir in ["s", "d"] {
            fs::create_dir(temp.path().join(dir)).unwrap();
        }
        fs::write(temp.path().join("s/file"), "content").unwrap();
        let name = CopyName::parse("b-20261123T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV").unwrap();
        let at = |dir: &str| temp.path().join(dir);
        let written = write(&at("s"), &at("d"), &name, 1, strategy, 1).unwrap();
        let proven = archive::verify(&written, 1, &Quiet).unwrap();
        archive::publish(written, proven).unwrap();
        Self { temp, name }
    }

    fn at(&self, file: &str) -> PathBuf {
        self.temp.path().join("d").join(file)
    }

    fn manifest(&self) -> String {
        fs::read_to_string(self.at(&self.name.manifest())).unwrap()
    }

    fn with_manifest(&self, text: &str) -> Result<Manifest, CopyError> {
        let bytes = sealed(text);
        fs::write(self.at(&self.name.manifest()), &bytes).unwrap();
        Manifest::from_bytes(&bytes, "m")
    }

    fn verify(&self) -> Result<archive::VerifiedCopy, CopyError> {
        let destination = Dir::open(&self.at("")).unwrap();
        archive::verify_committed(&destination, &self.name, 1, &Quiet)
    }
}

const ARCHIVE: Strategy = Strategy::Archive { level: 1 };

#[track_caller]
fn is_newer<T: std::fmt::Debug>(result: Result<T, CopyError>, needs: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, CopyError::Newer { .. }), "{error:?}");
    assert!(error.to_string().contains(needs), "{error}");
    assert!(error.help().unwrap().contains("newer"));
}

#[test]
fn what_needs_a_later_version_is_rejected_as_newer() {
    let copied = Copied::new(ARCHIVE);
    let text = copied.manifest();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} in {text}");
        copied.with_manifest(&text.replacen(from, to, 1))
    };
    is_newer(
        changed("\"format\": [\n    3,", "\"format\": [\n    4,"),
        "its format is 4",
    );
    is_newer(changed("\"codec\": \"gzip\"", "\"codec\": \"zstd\""), "codec `zstd`");
    is_newer(
        changed("\"bases\": []", "\"bases\": [{\"name\": \"x\"}]"),
        "other copies hold",
    );
    is_newer(copied.verify(), "other copies hold");
    // It is a copy that cannot be used, with the reason; nothing takes it for damage or debris.
    let catalogue = Catalogue::read(&Dir::open(&copied.at("")).unwrap()).unwrap();
    assert!(catalogue.copies.is_empty() && catalogue.orphans.is_empty());
    assert!(catalogue.broken.first().unwrap().1.contains("newer version of opsrun"));
    // What a form or an older format cannot have is a contradiction, not a later version.
    for (from, to) in [
        ("\"codec\": \"gzip\"", "\"codec\": null"),
        ("[\n    3,", "[\n    1,"),
        ("[\n    3,", "[\n    0,"),
    ] {
        assert!(matches!(changed(from, to), Err(CopyError::Damaged { .. })), "{to}");
    }
}

#[test]
fn a_hole_map_of_a_later_version_is_rejected_as_newer() {
    for strategy in [ARCHIVE, Strategy::Copy] {
        let copied = Copied::new(strategy);
        let list = copied.at(&copied.name.list());
        let text = Command::new("gzip").arg("-dc").arg(&list).output().unwrap().stdout;
        let text = String::from_utf8(text)
            .unwrap()
            .replace("\"state\":", "\"holes\":[[0,1]],\"state\":");
        let packed = gzip(text.as_bytes());
        fs::write(&list, &packed).unwrap();
        let mut manifest = Manifest::from_bytes(copied.manifest().as_bytes(), "m").unwrap();
        manifest.list_bytes = packed.len() as u64;
        manifest.list_checksum = hex(&Sha256::digest(&packed));
        let member = manifest.list_members.first_mut().unwrap();
        (member.1, member.2) = (packed.len() as u64, text.len() as u64);
        fs::write(copied.at(&copied.name.manifest()), manifest.to_bytes()).unwrap();
        is_newer(copied.verify(), "hole map");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn fields_of_a_later_minor_version_are_kept() {
    for strategy in [ARCHIVE, Strategy::Copy] {
        let copied = Copied::new(strategy);
        let text = copied.manifest().replacen("3,\n    0", "3,\n    7", 1);
        let text = text.replacen(
            "\"members\":",
            "\"novelty\": {\"a\": [1, \"\u{fc}\"]},\n  \"members\":",
            1,
        );
        assert!(text.contains("novelty"));
        let manifest = copied.with_manifest(&text).unwrap();
        assert_eq!(manifest.format, (3, 7));
        copied.verify().unwrap();
        assert!(copied.manifest().contains("novelty"));
        // The checksum covers what this version does not know, too.
        let flipped = copied.manifest().replacen("[1, ", "[2, ", 1);
        assert!(matches!(
            Manifest::from_bytes(flipped.as_bytes(), "m"),
            Err(CopyError::Damaged { .. })
        ));
    }
}

/// `flistxattr` and its like fail, as on a file system with errors.
#[test]
fn attributes_that_cannot_be_read_do_not_look_like_none() {
    for strategy in ["", "strategy \"copy\";"] {
        let world = Workspace::with_data(&format!(
            "ops version=1 {{ name \"t\"; }}\nbackup \"b\" {{ source \"data\"; to \"backup\"; contents \"expired\"; {strategy} }}\n\
             retention \"r\" backup=\"b\" {{ class \"all\" \"**\" keep=\"7d\"; max-delete files=100; }}\n"
        ));
        world.file("old", 30);
        world.file("older", 31);
        let mut command = world.command(&["apply", "--yes"]);
        refuse(&mut command, libc::SYS_flistxattr, libc::EIO);
        let text = output_of(&run_with_input(&mut command, ""), 4);
        let said = text
            .matches("extended attributes of 3 entries could not be read, first `old`")
            .count();
        assert_eq!(said, 1, "{text}");
        // Nothing is deleted of which the copy lacks something.
        assert!(text.contains("2 kept (unreadable)"), "{text}");
        assert!(world.at("data/old").exists() && world.at("data/older").exists());
        let copies = files(&world.at("backup"));
        let (_, manifest) = copies
            .iter()
            .find(|(name, _)| name.ends_with(".manifest.json"))
            .unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
        let unread = &manifest["unread_attributes"];
        assert!(unread.to_string().contains("Input/output error"), "{unread}");
        let list = world.json(0, &["list", "--json"]);
        let listed = &list["copies"][0];
        assert_eq!(listed["state"], "incomplete");
        let reason = listed["reason"].as_str().unwrap();
        assert!(reason.starts_with("extended attributes of 3 entries"), "{reason}");
        let restored = world.ends(4, &["restore", "--to", "out"]);
        assert!(restored.contains("the copy lacks extended attributes"), "{restored}");
        let text = world.ends(0, &["apply", "--yes"]);
        assert!(text.contains("2 files deleted"), "{text}");
    }
}
