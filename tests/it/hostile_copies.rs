//! Copies that lie about their size: every command reads them in bounded memory and time, and names the file and the cause.
//!
//! The program runs under a limit of its address space; without limits of its own it would need several times as much.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed; tests play the part of other programs"
)]

use crate::support::forge;
use crate::support::trees::{self, Quiet};
use crate::support::workspace::{OPSRUN, Workspace, output_of};
use opsrun::archive::manifest::MemberPosition;
use opsrun::archive::{self, Catalogue};
use opsrun::path::RelPath;
use opsrun::tree::Dir;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const OPS: &str = r#"
    ops version=1 { name "t"; }
    backup "b" { source "data"; to "backup"; }
    retention "r" backup="b" { class "all" "**" keep="300d"; max-delete files=1000; }
"#;

/// KiB of address space: the program and its libraries, and what a command may need.
const LIMIT: u64 = 640 * 1024;

fn world() -> Workspace {
    let world = Workspace::with_data(OPS);
    world.file("a", 1);
    world.file("b", 1);
    world.apply(0);
    world
}

fn limited(world: &Workspace, args: &[&str]) -> Output {
    limited_to(LIMIT, world, args)
}

fn limited_to(limit: u64, world: &Workspace, args: &[&str]) -> Output {
    let script = format!("ulimit -v {limit}; exec \"$@\"");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, "sh", OPSRUN])
        .args(args)
        .current_dir(world.path());
    command
        .env("NO_COLOR", "1")
        .env("OPSRUN_STATE_DIR", world.at(".opsrun/t"))
        .output()
        .unwrap()
}

/// The commands that read copies, with what they end with.
fn all(world: &Workspace, codes: [i32; 4], expected: &str) {
    let verify = ["verify", "--from", "backup", "--threads", "1"];
    let restore = ["restore", "--from", "backup", "--to", "out", "--threads", "1"];
    let commands: [&[&str]; 4] = [&["list"], &verify, &["plan"], &restore];
    for (args, code) in commands.into_iter().zip(codes) {
        let text = output_of(&limited(world, args), code);
        assert!(code == 0 || text.contains(expected), "{args:?}: {text}");
    }
    output_of(&limited(world, &["apply", "--yes", "--threads", "1"]), 0);
}

#[test]
fn a_receipt_that_unpacks_to_gigabytes_is_not_read_to_its_end() {
    let world = world();
    let path = world.at("backup").join(forge::copy_name(&world.at("backup")).receipt());
    let line = r#"{"path":"a","sha256":"00","run":"r","at":"2026-11-23T21:00:00Z"}"#.to_owned() + "\n";
    for text in [line.repeat(16_000), "x".repeat(1 << 20)] {
        // Members of one megabyte, 1,500 times.
        fs::write(&path, forge::gzip(text.as_bytes()).repeat(1500)).unwrap();
        all(&world, [0, 0, 0, 0], "");
        let text = output_of(&limited(&world, &["list"]), 0);
        // What cannot be read counts as all of it.
        assert!(text.contains("2 copies") || text.contains("copies"), "{text}");
        reset(&world.at("backup"), &path);
        let _ = fs::remove_dir_all(world.at("out"));
    }
}

/// SplitMix64.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as usize
}

/// Changes a few fields of the rows, or the rows themselves.
fn mutate(rows: &mut Vec<Value>, state: &mut u64) {
    let paths = [
        json!("../outside/f"),
        json!("/tmp/opsrun-forged"),
        json!("a/../../outside/f"),
        json!("link/f"),
        json!("link"),
        json!("a/below-a-file"),
        json!(""),
        json!("d//f"),
        json!("."),
        json!({ "base64": "YQBi" }),
        json!("x".repeat(300)),
        json!(["x", "y"]),
    ];
    let numbers = [0, 1, 511, 1 << 20, 1 << 32, 1 << 63, u64::MAX];
    for _ in 0..=next(state) % 3 {
        let (at, other) = (next(state) % rows.len(), next(state) % rows.len());
        let path = paths[next(state) % paths.len()].clone();
        let number = json!(numbers[next(state) % numbers.len()]);
        match next(state) % 12 {
            0 => rows[at]["path"] = path,
            1 => rows[at]["link"] = path,
            2 => rows[at]["type"] = json!(["file", "dir", "symlink", "hardlink"][next(state) % 4]),
            3 => rows[at]["size"] = number,
            4 => rows[at]["sparse"] = json!([[number, 1], [0, number]]),
            5 => rows[at]["member"] = number,
            6 => rows[at]["offset"] = number,
            7 => rows[at]["nlink"] = json!(next(state) as u32),
            8 => rows[at]["mode"] = json!(u32::MAX),
            9 => rows[at]["xattrs"] = json!({ "user.\u{0}x": "1", "trusted.overlay.opaque": "y", "": "z" }),
            10 => rows.swap(at, other),
            _ => {
                let row = rows[other].clone();
                rows.insert(at, row);
            }
        }
    }
}

#[test]
fn no_forged_list_leads_outside_the_target() {
    for ops in [
        OPS.to_owned(),
        OPS.replace("to \"backup\";", "to \"backup\"; strategy \"copy\";"),
    ] {
        let world = Workspace::with_data(&ops);
        for path in ["a", "d/e/f", "d/g"] {
            world.file(path, 1);
        }
        std::os::unix::fs::symlink("../../outside", world.at("data/link")).unwrap();
        fs::hard_link(world.at("data/a"), world.at("data/z")).unwrap();
        world.apply(0);
        let at = world.at("backup");
        let (rows, manifest) = (forge::rows(&at), at.join(forge::copy_name(&at).manifest()));
        let sealed = fs::read(&manifest).unwrap();
        let list = fs::read(at.join(forge::copy_name(&at).list())).unwrap();
        fs::create_dir(world.at("outside")).unwrap();
        let mut refused = 0;
        for seed in 0..125 {
            fs::write(&manifest, &sealed).unwrap();
            fs::write(at.join(forge::copy_name(&at).list()), &list).unwrap();
            let (mut forged, mut state) = (rows.clone(), seed);
            mutate(&mut forged, &mut state);
            forge::replace_rows(&at, &forged, |_| {});
            let _ = fs::remove_dir_all(world.at("out"));
            fs::create_dir(world.at("out")).unwrap();
            let (dir, target) = (Dir::open(&at).unwrap(), Dir::open(&world.at("out")).unwrap());
            let catalogue = Catalogue::read(&dir).unwrap();
            refused += usize::from(archive::verify_committed(&dir, &forge::copy_name(&at), 1, &Quiet).is_err());
            if let Some(copy) = catalogue.copies.first() {
                // Whatever it answers, it stays inside.
                let _ = archive::restore(&dir, copy, &|_| true, &target, &trees::forced(), &Quiet);
            }
            assert_eq!(fs::read_dir(world.at("outside")).unwrap().count(), 0, "{seed}");
            assert!(!Path::new("/tmp/opsrun-forged").exists(), "{seed}");
            let names = trees::shape(&world.at("out"), false);
            let parts = names.keys().filter(|name| name.to_string_lossy().contains(".opsrun-"));
            assert_eq!(parts.count(), 0, "{seed}: {names:?}");
        }
        assert!(refused > 100, "{refused}");
    }
}

/// Removes the copies that later runs made, which the forged one is not to be mixed up with.
fn reset(destination: &Path, receipt: &Path) {
    let stem = receipt
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_end_matches(".deleted.jsonl.gz")
        .to_owned();
    for item in fs::read_dir(destination).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with(&stem) && !name.starts_with('.') {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_list_that_unpacks_to_gigabytes_is_refused() {
    let world = world();
    let at = world.at("backup");
    let mut row = forge::rows(&at)[0].clone();
    let members: Vec<(Vec<u8>, u64, RelPath)> = (0..120)
        .map(|n| {
            let path = format!("n{n:03}");
            row["path"] = path.clone().into();
            // White space before a row is valid JSON.
            let text = " ".repeat(15 << 20) + &row.to_string() + "\n";
            (
                forge::gzip(text.as_bytes()),
                text.len() as u64,
                RelPath::new(path.as_bytes()).unwrap(),
            )
        })
        .collect();
    forge::replace_members(&at, &members, |manifest| manifest.record_count = 120);
    all(&world, [0, 1, 0, 1], "it would unpack from");
}

/// The copy's list replaced by one of symlinks with the longest paths: 128 MiB of them, within every limit.
fn fill_with_paths(at: &Path) {
    let mut row = forge::rows(at)[0].clone();
    (row["type"], row["link"], row["size"]) = ("symlink".into(), "x".into(), 0.into());
    row.as_object_mut().unwrap().remove("sha256");
    // Below a file: nothing of it can be made.
    let deep = "x".repeat(32_000);
    let mut state = 1;
    let members: Vec<(Vec<u8>, u64, RelPath)> = (0..128)
        .map(|member| {
            let mut text = String::new();
            let mut first = None;
            for number in 0..32 {
                let noise: String = (0..16).map(|_| format!("{:016x}", next(&mut state))).collect();
                let path = format!("a/{member:03}{number:03}{noise}{deep}");
                row["path"] = path.clone().into();
                first.get_or_insert_with(|| RelPath::new(path.as_bytes()).unwrap());
                text += &(row.to_string() + "\n");
            }
            (forge::gzip(text.as_bytes()), text.len() as u64, first.unwrap())
        })
        .collect();
    forge::replace_members(at, &members, |manifest| {
        (manifest.record_count, manifest.files) = (128 * 32, 128 * 32);
    });
}

#[test]
fn what_a_restore_remembers_does_not_grow_with_the_paths_of_a_list() {
    let world = world();
    let at = world.at("backup");
    fill_with_paths(&at);
    fs::create_dir(world.at("out")).unwrap();
    fs::write(world.at("out/a"), "in the way").unwrap();
    // In its source, what is not there yet would be on hold.
    for args in [&["--from", "backup", "--to", "out"][..], &["**"]] {
        let args = [&["restore", "--threads", "1"], args].concat();
        let text = output_of(&limited_to(112 * 1024, &world, &args), 1);
        assert!(text.contains("4,096 skipped"), "{text}");
    }
}

#[test]
fn more_entries_than_the_list_has_bytes_for_are_refused() {
    let world = world();
    forge::reseal(&world.at("backup"), |manifest| manifest.record_count = 1 << 40);
    all(&world, [0, 1, 0, 1], "it is too short for as many entries");
}

#[test]
fn a_manifest_with_millions_of_members_needs_a_few_times_its_size() {
    let world = world();
    forge::reseal(&world.at("backup"), |manifest| {
        let end = manifest.archive_bytes;
        manifest.members = (0..2_000_000).map(|n| MemberPosition(end + n, 1, 1)).collect();
    });
    let path = world
        .at("backup")
        .join(forge::copy_name(&world.at("backup")).manifest());
    assert!(fs::metadata(path).unwrap().len() > 30 << 20);
    all(&world, [0, 1, 0, 1], "members");
}
