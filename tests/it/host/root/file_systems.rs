//! What opsrun does on each kind of file system, as source and as destination.

use crate::support::mount::{Mapping, Mount};
use crate::support::workspace::{Workspace, is_root, set_age};
use std::collections::BTreeMap;
use std::path::Path;

const KINDS: [&str; 7] = ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "bindfs", "sshfs"];

/// Its leases notice every writer.
const TRUSTED: [&str; 4] = ["ext4", "xfs", "btrfs", "tmpfs"];

fn mounted(world: &Workspace, dir: &str, kind: &str) -> Mount {
    match kind {
        "tmpfs" => Mount::tmpfs(world, dir, "64m"),
        "overlay" => {
            std::fs::create_dir_all(world.at(dir)).unwrap();
            Mount::overlay(world, dir)
        }
        "bindfs" => Mount::bindfs(world, dir),
        "sshfs" => Mount::sshfs(world, dir),
        image => Mount::image(world, dir, image),
    }
}

fn ops(strategy: &str, more: &str) -> String {
    format!(
        "ops version=1 {{ name \"t\"; }}\n\
         backup \"b\" {{ source \"data\"; to \"backup\"; strategy \"{strategy}\"; }}\n\
         retention \"r\" backup=\"b\" {{ class \"all\" \"**\" keep=\"7d\"; max-delete files=1000; {more} }}\n"
    )
}

/// Files, a hard link and a directory; `old` and `d/old` have expired.
fn fill(world: &Workspace) -> BTreeMap<String, Vec<u8>> {
    world.file("old", 30);
    world.file("d/old", 30);
    world.file("d/young", 1);
    let content = |path: &str| (path.to_owned(), path.as_bytes().to_vec());
    ["old", "d/old", "d/young"].map(content).into()
}

fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

/// What must be true of a destination after a backup with a cleanup, whatever it is on.
fn is_a_good_destination(world: &Workspace, files: &BTreeMap<String, Vec<u8>>, kind: &str) {
    world.ends(0, &["plan"]);
    let text = world.ends(0, &["apply", "--yes"]);
    assert!(text.contains("2 files deleted"), "{kind}: {text}");
    assert!(
        !world.at("data/old").exists() && world.at("data/d/young").exists(),
        "{kind}"
    );
    world.ends(0, &["verify"]);
    assert_eq!(world.restored("b"), *files, "{kind}");
    // A second copy, beside the first one and its receipt.
    world.file("old", 30);
    let text = world.ends(0, &["apply", "--yes"]);
    assert!(text.contains("1 file deleted"), "{kind}: {text}");
    let names = names(&world.at("backup"));
    assert_eq!(
        names.iter().filter(|name| name.ends_with(".manifest.json")).count(),
        2,
        "{kind}: {names:?}"
    );
    assert_eq!(
        names.iter().filter(|name| name.ends_with(".deleted.jsonl.gz")).count(),
        2,
        "{kind}: {names:?}"
    );
    let debris = |name: &&String| name.strip_suffix(".tmp").is_some() || name.starts_with(".opsrun-probe");
    assert_eq!(names.iter().find(debris), None, "{kind}: {names:?}");
    world.ends(0, &["verify"]);
}

#[test]
#[ignore = "needs root, to mount"]
fn every_kind_is_a_destination() {
    assert!(is_root(), "this test must run as root");
    for kind in KINDS {
        for strategy in ["archive", "copy"] {
            let world = Workspace::with_data(&ops(strategy, ""));
            let _source = Mount::tmpfs(&world, "data", "16m");
            let _mount = mounted(&world, "backup", kind);
            let files = fill(&world);
            is_a_good_destination(&world, &files, kind);
        }
    }
}

#[test]
#[ignore = "needs root, to mount"]
fn every_kind_is_a_source() {
    assert!(is_root(), "this test must run as root");
    for kind in KINDS {
        let world = Workspace::with_data(&ops("archive", ""));
        let _mount = mounted(&world, "data", kind);
        let files = fill(&world);
        if TRUSTED.contains(&kind) {
            is_a_good_destination(&world, &files, kind);
        } else {
            let text = world.ends(4, &["apply", "--yes"]);
            assert!(text.contains("2 kept (in-use)"), "{kind}: {text}");
            assert!(world.at("data/old").exists(), "{kind}");
            world.ops(&ops("archive", "in-use \"ignore\";"));
            is_a_good_destination_again(&world, &files, kind);
        }
        assert!(!world.at("data/.opsrun-quarantine").exists(), "{kind}");
        // And back to where it came from.
        std::fs::remove_dir_all(world.at("data/d")).unwrap();
        world.ends(0, &["restore", "**"]);
        for (path, content) in &files {
            assert_eq!(
                std::fs::read(world.at("data").join(path)).unwrap(),
                *content,
                "{kind}: {path}"
            );
        }
        assert!(
            !names(&world.at("data")).iter().any(|name| name.starts_with(".opsrun-")),
            "{kind}"
        );
    }
}

/// With a copy in it already.
fn is_a_good_destination_again(world: &Workspace, files: &BTreeMap<String, Vec<u8>>, kind: &str) {
    let text = world.ends(0, &["apply", "--yes"]);
    assert!(text.contains("2 files deleted"), "{kind}: {text}");
    assert!(
        !world.at("data/old").exists() && world.at("data/d/young").exists(),
        "{kind}"
    );
    world.ends(0, &["verify"]);
    assert_eq!(world.restored("b"), *files, "{kind}");
}

#[test]
#[ignore = "needs root, to mount"]
fn a_destination_that_cannot_be_written_to_is_named() {
    assert!(is_root(), "this test must run as root");
    let world = Workspace::with_data(&ops("archive", ""));
    fill(&world);
    world.ends(0, &["apply", "--yes"]);
    world.file("old", 30);
    let mount = Mount::read_only(&world, "backup");
    let plan = world.ends(0, &["plan"]);
    assert!(plan.contains("cannot be written to: Read-only file system"), "{plan}");
    let text = world.ends(73, &["apply", "--yes"]);
    assert!(text.contains("Read-only file system"), "{text}");
    assert!(world.at("data/old").exists());
    let host = world.ends(0, &["check", "--host"]);
    assert!(host.contains("OPS7002") && host.contains("mounted read-only"), "{host}");
    world.ends(0, &["verify"]);
    drop(mount);

    let world = Workspace::with_data(&ops("archive", ""));
    fill(&world);
    let _mount = Mount::tmpfs(&world, "backup", "4k");
    std::fs::write(world.at("backup/full"), [0; 4096]).unwrap();
    let host = world.ends(0, &["check", "--host"]);
    assert!(host.contains("OPS7002") && host.contains("No space left"), "{host}");
    world.ends(73, &["apply", "--yes"]);
    assert!(world.at("data/old").exists());
}

#[test]
#[ignore = "needs root, to mount"]
fn require_mount_refuses_until_the_disk_is_mounted() {
    assert!(is_root(), "this test must run as root");
    let mounted = ops("archive", "").replace("to \"backup\"", "to \"usb/copies\" require-mount=#true");
    let world = Workspace::with_data(&mounted);
    fill(&world);
    std::fs::create_dir(world.at("usb")).unwrap();
    let refused = |world: &Workspace| {
        let plan = world.ends(0, &["plan"]);
        assert!(plan.contains("no disk is mounted at the destination"), "{plan}");
        let text = world.ends(3, &["apply", "--yes"]);
        assert!(text.contains("no disk is mounted at the destination"), "{text}");
        let host = world.ends(0, &["check", "--host"]);
        assert!(
            host.contains("OPS7002") && host.contains("no disk is mounted"),
            "{host}"
        );
        assert!(names(&world.at("usb")).is_empty() && world.at("data/old").exists());
    };
    refused(&world);
    let mount = Mount::tmpfs(&world, "usb", "16m");
    let host = world.ends(0, &["check", "--host"]);
    assert!(!host.contains("no disk is mounted"), "{host}");
    let text = world.ends(0, &["apply", "--yes"]);
    assert!(text.contains("2 files deleted"), "{text}");
    drop(mount);
    world.file("old", 30);
    refused(&world);
    // With a lost state nothing else would notice.
    std::fs::remove_dir_all(world.at(".opsrun")).unwrap();
    refused(&world);
}

/// Writes numbers through mappings while opsrun runs; gives what was written, and what is lost.
fn mutate(in_use: &str, mutations: u64) -> (u64, u64) {
    let world = Workspace::with_data(&ops("archive", in_use));
    let _mount = Mount::overlay(&world, "data");
    let (mut number, mut lost, mut round) = (0, 0, 0);
    while number < mutations && (lost == 0 || in_use.is_empty()) {
        round += 1;
        let paths: Vec<String> = (0..60).map(|n| format!("{round}-{n}")).collect();
        let mut mapped: Vec<(Mapping, u64)> = Vec::new();
        for path in &paths {
            let path = world.file_with(path.as_ref(), 30, &[0; 4096]);
            let mapping = Mapping::of(&path);
            // The page is dirty from now on: what is written to it moves no time.
            mapping.write_number(number);
            set_age(&path, 30);
            mapped.push((mapping, number));
        }
        let mut child = world.command(&["apply", "--yes"]);
        let mut child = child
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            // One file at a time: each stays alone for long enough to be deleted now and then.
            number += 1;
            let (mapping, last) =
                &mut mapped[usize::try_from((number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 60).unwrap()];
            mapping.write_number(number);
            *last = number;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(matches!(child.wait().unwrap().code(), Some(0 | 4)));
        let copied = if paths.iter().all(|path| world.at("data").join(path).exists()) {
            BTreeMap::new()
        } else {
            world.restored("b")
        };
        for (path, (_, last)) in paths.iter().zip(&mapped) {
            let now = std::fs::read(world.at("data").join(path)).ok();
            let content = now.as_ref().or(copied.get(path));
            let holds = content.is_some_and(|content| content[..8] == last.to_ne_bytes());
            lost += u64::from(!holds);
            let _ = std::fs::remove_file(world.at("data").join(path));
        }
        // Otherwise the source seems to have shrunk.
        std::fs::remove_dir_all(world.at("backup")).unwrap();
        std::fs::remove_dir_all(world.at(".opsrun")).unwrap();
    }
    (number, lost)
}

/// The long form makes 100,000 mutations: `OPSRUN_TEST_MUTATIONS`.
#[test]
#[ignore = "needs root, to mount an overlay"]
fn mapped_writers_on_an_overlay_lose_nothing() {
    assert!(is_root(), "this test must run as root");
    let mutations = std::env::var("OPSRUN_TEST_MUTATIONS").map_or(500, |text| text.parse().unwrap());
    let (made, lost) = mutate("", mutations);
    println!("{made} mutations, {lost} lost");
    assert!(made >= mutations && lost == 0, "{lost} of {made} mutations are lost");
    // The control: this test sees a loss.
    let (made, lost) = mutate("in-use \"ignore\";", 100_000);
    println!("{made} mutations with `in-use \"ignore\"`, {lost} lost");
    assert!(
        lost > 0,
        "nothing of {made} mutations is lost where no program is asked"
    );
}
