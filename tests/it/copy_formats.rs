//! The formats of copies: those of older versions are read, verified and restored; those of later versions are rejected
//! as newer, never as damaged.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world has failed; tests play the part of other programs"
)]

use crate::support::trees::{Quiet, write};
use crate::support::workspace::{opsrun, output_of};
use opsrun::archive::file_entry::hex;
use opsrun::archive::{self, Catalogue, CopyError, CopyName, Manifest};
use opsrun::model::Strategy;
use opsrun::tree::Dir;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy that another version of opsrun made, and what its source was like.
const KEPT: [&str; 2] = ["format-1", "format-2"];

fn fixture(name: &str) -> PathBuf {
    Path::new("tests/fixtures/copies").join(name)
}

/// Unpacks a kept copy; gives its destination.
fn unpacked(kept: &str, to: &Path) -> PathBuf {
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "--numeric-owner", "-xpzf"])
        .arg(fixture(&format!("{kept}.tar.gz")))
        .arg("-C")
        .arg(to);
    output_of(&tar.output().unwrap(), 0);
    to.join("copies")
}

#[test]
fn copies_of_every_format_are_listed_and_verified() {
    for kept in KEPT {
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
    match result {
        Err(error @ CopyError::Newer { .. }) => {
            assert!(error.to_string().contains(needs), "{error}");
            assert!(error.help().unwrap().contains("newer"));
        }
        other => panic!("{other:?}"),
    }
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
        let packed = temp_gzip(text.as_bytes());
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

fn temp_gzip(bytes: &[u8]) -> Vec<u8> {
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
