//! File systems that have space, and hardly an inode.

use crate::support::mount::Mount;
use crate::support::workspace::{Workspace, is_root};
use std::path::Path;

fn few_inodes(world: &Workspace, dir: &str) -> Mount {
    let at = world.at(dir);
    std::fs::create_dir_all(&at).unwrap();
    Mount::new(
        &at,
        &["-t", "tmpfs", "none", "-o", "size=8m,nr_inodes=100"].map(str::as_ref),
    )
}

/// Makes empty files until so many inodes are free.
fn leave(dir: &Path, free: u64) {
    for name in 0_u64.. {
        if rustix::fs::statvfs(dir).unwrap().f_favail <= free {
            return;
        }
        std::fs::write(dir.join(name.to_string()), "").unwrap();
    }
}

#[test]
#[ignore = "needs root, to mount"]
fn a_check_sees_that_no_file_can_be_made() {
    assert!(is_root(), "this test must run as root");
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; }
        check "share" { disk-space "mnt" warn="20%" critical="10%"; }
        check "size" { disk-space "mnt" critical="1MiB"; }
        "#,
    );
    let _mount = few_inodes(&world, "mnt");
    let text = world.ends(0, &["apply", "--yes"]);
    assert!(!text.contains("no inode"), "{text}");
    leave(&world.at("mnt"), 15);
    let text = world.ends(0, &["apply", "--yes"]);
    assert!(
        text.contains("warning   check:share  15.0% of the inodes free (15 of 100), warning below 20%"),
        "{text}"
    );
    leave(&world.at("mnt"), 3);
    let text = world.ends(1, &["apply", "--yes"]);
    assert!(
        text.contains("critical  check:share  3.0% of the inodes free (3 of 100), critical below 10%"),
        "{text}"
    );
    assert!(text.contains("ok        check:size  "), "{text}");
    leave(&world.at("mnt"), 0);
    let text = world.ends(1, &["apply", "--yes"]);
    for check in ["share", "size"] {
        assert!(
            text.contains(&format!("critical  check:{check}  no inode of 100 is free")),
            "{text}"
        );
    }
}

/// Btrfs says that it has no inodes at all.
#[test]
#[ignore = "needs root, to mount"]
fn a_file_system_without_inodes_goes_by_bytes() {
    assert!(is_root(), "this test must run as root");
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        check "disk" { disk-space "backup" critical="10%"; }
        backup "b" { source "data"; to "backup"; needs "check:disk"; }
        "#,
    );
    world.file("a", 1);
    let _mount = Mount::image(&world, "backup", "btrfs");
    assert_eq!(rustix::fs::statvfs(world.at("backup")).unwrap().f_files, 0);
    world.ends(0, &["apply", "--yes"]);
}

#[test]
#[ignore = "needs root, to mount"]
fn a_backup_asks_for_inodes_before_it_writes() {
    assert!(is_root(), "this test must run as root");
    for (strategy, free) in [("archive", 3), ("copy", 40)] {
        let world = Workspace::with_data(&format!(
            "ops version=1 {{ name \"t\"; }}\nbackup \"b\" {{ source \"data\"; to \"backup\"; strategy \"{strategy}\"; }}\n\
             retention \"r\" backup=\"b\" {{ class \"all\" \"**\" keep=\"7d\"; max-delete files=1000; }}\n"
        ));
        for name in 0..50 {
            world.file(&name.to_string(), 30);
        }
        // Several names of one file take one inode.
        for name in 50..80 {
            std::fs::hard_link(world.at("data/0"), world.at(&format!("data/{name}"))).unwrap();
        }
        let _mount = few_inodes(&world, "backup");
        leave(&world.at("backup"), free);
        let before = std::fs::read_dir(world.at("backup")).unwrap().count();
        let text = world.ends(73, &["apply", "--yes"]);
        assert!(
            text.contains(&format!("has {free} free inodes, the copy needs about ")),
            "{text}"
        );
        assert_eq!(std::fs::read_dir(world.at("backup")).unwrap().count(), before);
        assert!(world.at("data/0").exists());
        for entry in std::fs::read_dir(world.at("backup")).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let text = world.ends(0, &["apply", "--yes"]);
        assert!(text.contains("files deleted"), "{text}");
    }
}
