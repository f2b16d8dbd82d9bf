//! Several machines with one destination, through the binary: their copies are never mixed.
//!
//! Another machine is played by giving the copies that are there, and the marker, to another writer.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed; tests play the part of other programs"
)]

use crate::support::workspace::{Workspace, output_of};
use opsrun::archive::Manifest;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const OTHER: &str = "0123456789abcdef";

const ALL: &str = r#"
    ops version=1 { name "t"; }
    backup "b" { source "data"; to "backup"; }
"#;

const EXPIRED: &str = r#"
    ops version=1 { name "t"; }
    backup "b" { source "data"; to "backup"; contents "expired"; }
    retention "r" backup="b" { class "all" "**" keep="7d"; max-delete files=1000; }
"#;

impl Workspace {
    fn manifests(&self) -> Vec<(PathBuf, Manifest)> {
        let paths = fs::read_dir(self.at("backup"))
            .unwrap()
            .map(|item| item.unwrap().path());
        let paths = paths.filter(|path| path.to_string_lossy().ends_with(".manifest.json"));
        let mut all: Vec<(PathBuf, Manifest)> = paths
            .map(|path| {
                let manifest = Manifest::from_bytes(&fs::read(&path).unwrap(), "m").unwrap();
                (path, manifest)
            })
            .collect();
        all.sort_by_key(|(_, manifest)| manifest.sequence);
        all
    }

    fn change_manifests(&self, change: impl Fn(&mut Manifest)) {
        for (path, mut manifest) in self.manifests() {
            change(&mut manifest);
            fs::write(path, manifest.to_bytes()).unwrap();
        }
    }

    fn marker(&self) -> Value {
        serde_json::from_slice(&fs::read(self.at("backup/.opsrun-destination")).unwrap()).unwrap()
    }

    fn set_marker(&self, marker: &Value) {
        fs::write(self.at("backup/.opsrun-destination"), marker.to_string()).unwrap();
    }

    /// Everything in the destination is of another machine now.
    fn give_away(&self) {
        self.change_manifests(|manifest| {
            manifest.writer = Some(OTHER.to_owned());
            "elsewhere".clone_into(&mut manifest.host);
        });
        let mut marker = self.marker();
        marker["writers"] = json!([{ "id": OTHER, "host": "elsewhere" }]);
        self.set_marker(&marker);
    }

    /// As versions before format 3 left it: no list of writers, and copies without a writer.
    fn make_older(&self, host: Option<&str>) {
        self.change_manifests(|manifest| {
            manifest.writer = None;
            manifest.host = host.map_or_else(|| manifest.host.clone(), str::to_owned);
        });
        let mut marker = self.marker();
        marker.as_object_mut().unwrap().remove("writers");
        self.set_marker(&marker);
    }

    fn lose_state(&self) {
        fs::remove_dir_all(self.at(".opsrun")).unwrap();
    }

    fn accepted(&self) -> String {
        self.ends(0, &["apply", "--yes", "--accept-destination"])
    }
}

#[test]
fn a_destination_of_another_machine_is_refused_until_it_is_accepted() {
    for strategy in ["", "strategy \"copy\"; "] {
        let world = Workspace::with_data(&ALL.replace("to \"", &format!("{strategy}to \"")));
        world.file("a", 1);
        world.apply(0);
        let own = world.marker()["writers"][0].clone();
        assert_eq!(own["id"].as_str().unwrap().len(), 16);
        assert_eq!(world.manifests()[0].1.writer.as_deref(), own["id"].as_str());
        world.give_away();
        let plan = world.ends(0, &["plan"]);
        for text in [plan, world.apply(3)] {
            assert!(text.contains("contains copies of host `elsewhere`"), "{text}");
            assert!(text.contains("--accept-destination"), "{text}");
        }
        assert_eq!(world.manifests().len(), 1);

        world.accepted();
        assert_eq!(
            world.marker()["writers"],
            json!([{ "id": OTHER, "host": "elsewhere" }, own])
        );
        world.apply(0);
        let manifests = world.manifests();
        let sequences: Vec<u64> = manifests.iter().map(|(_, manifest)| manifest.sequence).collect();
        assert_eq!(sequences, [1, 2, 3]);
        // The first copy here is the first of its group.
        assert_eq!(manifests[1].1.parent, None);
        assert!(manifests[2].1.parent.is_some());
        if !strategy.is_empty() {
            let shared = |at: usize| manifests[at].1.tree.clone().unwrap().shares_with;
            assert_eq!((shared(1), shared(2)), (None, manifests[2].1.parent.clone()));
        }
    }
}

#[test]
fn list_verify_and_restore_leave_other_machines_aside() {
    let world = Workspace::with_data(ALL);
    world.file("theirs", 1);
    world.apply(0);
    world.give_away();
    // Nothing but copies of another machine: a person says that these are meant.
    let refused = world.ends(3, &["restore", "--to", "restored"]);
    assert!(
        refused.contains("1 copy of backup `b` of host `elsewhere`"),
        "{refused}"
    );
    assert!(
        refused.contains(&format!("`opsrun restore --writer {OTHER}`")),
        "{refused}"
    );
    assert!(!world.at("restored").exists());
    let list = world.ends(0, &["list"]);
    assert!(
        list.starts_with("no copies\n") && list.contains(OTHER) && list.contains("elsewhere"),
        "{list}"
    );

    world.accepted();
    fs::rename(world.at("data/theirs"), world.at("data/ours")).unwrap();
    world.apply(0);
    let list = world.json(0, &["list", "--json"]);
    assert_eq!(list["copies"].as_array().unwrap().len(), 2);
    assert_eq!(list["others"][0]["writer"], OTHER);
    assert_eq!(list["others"][0]["copies"], 1);
    let one = world.json(0, &["list", "--json", "--writer", "0123"]);
    assert_eq!(one["copies"].as_array().unwrap().len(), 1);
    assert_eq!(one["copies"][0]["host"], "elsewhere");

    let verified = world.ends(0, &["verify"]);
    assert!(
        verified.contains("2 copies intact") && verified.contains("--writer"),
        "{verified}"
    );
    let verified = world.ends(0, &["verify", "--writer", "elsewhere"]);
    assert!(verified.contains("1 copy intact"), "{verified}");

    let text = world.ends(1, &["restore", "elsewhere/theirs", "--to", "none"]);
    assert!(text.contains("no copy contains"), "{text}");
    assert_eq!(world.restored("b").into_keys().collect::<Vec<_>>(), ["ours", "theirs"]);
    world.ends(0, &["restore", "--writer", "elsewhere", "--to", "restored"]);
    assert!(world.at("restored/theirs").exists() && !world.at("restored/ours").exists());
    let unknown = world.ends(64, &["restore", "--writer", "nowhere"]);
    assert!(unknown.contains(&format!("{OTHER} (host elsewhere)")), "{unknown}");
    // One copy that is named is that copy.
    let name = list["others"][0]["newest"].as_str().unwrap().to_owned();
    assert!(!name.is_empty());
    let copy = world.manifests()[0].0.file_name().unwrap().to_str().unwrap().to_owned();
    world.ends(0, &["restore", "--copy", &copy, "--to", "named"]);
    assert!(world.at("named/theirs").exists());
}

#[test]
fn without_an_ops_file_one_machine_is_used_and_several_are_named() {
    let world = Workspace::with_data(ALL);
    world.file("a", 1);
    world.apply(0);
    let from = ["restore", "--from", "backup", "--to"];
    world.ends(0, &[&from[..], &["one"]].concat());
    world.give_away();
    world.accepted();
    let text = world.ends(3, &[&from[..], &["two"]].concat());
    assert!(text.contains("copies of several machines would be mixed"), "{text}");
    assert!(text.contains(&format!("`--writer {OTHER}`")), "{text}");
    assert!(!world.at("two").exists());
    world.ends(0, &[&from[..], &["two", "--writer", OTHER]].concat());
    assert!(world.at("two/a").exists());
    let list = world.json(0, &["list", "--from", "backup", "--json"]);
    assert_eq!(list["copies"].as_array().unwrap().len(), 2);
}

/// A copy of another machine proves nothing: the file is stored again, and only then deleted.
#[test]
fn a_copy_of_another_machine_is_no_evidence() {
    let world = Workspace::with_data(EXPIRED);
    let old = world.file("old", 30);
    let writer = fs::OpenOptions::new().append(true).open(&old).unwrap();
    assert!(world.apply(4).contains("1 file written"));
    assert!(world.ends(0, &["plan"]).contains("verifies again 1 older copy"));
    world.give_away();
    drop(writer);
    let text = world.accepted();
    assert!(
        text.contains("1 file written") && text.contains("1 file deleted"),
        "{text}"
    );
    let receipts = fs::read_dir(world.at("backup"))
        .unwrap()
        .map(|item| item.unwrap().file_name());
    let receipts = receipts.filter(|name| name.to_string_lossy().ends_with(".deleted.jsonl.gz"));
    let own = world.manifests().pop().unwrap().1;
    let own = own.archive_name.replace(".tar.gz", ".deleted.jsonl.gz");
    assert_eq!(receipts.collect::<Vec<_>>(), [std::ffi::OsString::from(own)]);
}

#[test]
fn guards_compare_with_copies_of_this_machine_only() {
    let world = Workspace::with_data(ALL);
    for n in 0..10 {
        world.file(&format!("{n}"), 1);
    }
    world.apply(0);
    world.give_away();
    // Of there, the source had more files, and the clock is ahead.
    world.change_manifests(|manifest| manifest.backup_at += chrono::TimeDelta::days(100));
    for n in 1..10 {
        fs::remove_file(world.at(&format!("data/{n}"))).unwrap();
    }
    world.accepted();
    world.apply(0);
}

#[test]
fn an_upgrade_is_not_refused() {
    // The host is the same; the state is the same; both are.
    for (host, lost) in [(None, true), (Some("renamed"), false), (None, false)] {
        let world = Workspace::with_data(ALL);
        world.file("a", 1);
        world.apply(0);
        world.make_older(host);
        if lost {
            world.lose_state();
        }
        let list = world.json(0, &["list", "--json"]);
        assert_eq!(list["copies"].as_array().unwrap().len(), 1, "{list}");
        world.apply(0);
        let manifests = world.manifests();
        assert_eq!(
            manifests[1].1.parent.as_deref(),
            manifests[0].1.archive_name.strip_suffix(".tar.gz")
        );
        assert_eq!(world.marker()["writers"].as_array().unwrap().len(), 1);
        world.ends(0, &["restore", "--to", "restored"]);
    }
    let world = Workspace::with_data(ALL);
    world.file("a", 1);
    world.apply(0);
    world.make_older(Some("elsewhere"));
    world.lose_state();
    assert!(world.apply(3).contains("contains copies of host `elsewhere`"));
}

/// Two machines shared a destination before there were lists: the first takes the list, and the other is no stranger.
#[test]
fn a_second_machine_whose_store_knows_older_copies_joins_the_list() {
    let world = Workspace::with_data(ALL);
    world.file("a", 1);
    world.apply(0);
    world.make_older(Some("renamed"));
    let mut marker = world.marker();
    marker["writers"] = json!([{ "id": OTHER, "host": "elsewhere" }]);
    world.set_marker(&marker);
    world.apply(0);
    assert_eq!(world.marker()["writers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_sequence_is_above_all_that_are_here_and_in_the_store() {
    let world = Workspace::with_data(ALL);
    world.file("a", 1);
    world.apply(0);
    // A broken copy: its list is gone.
    world.change_manifests(|manifest| manifest.sequence = 1000);
    let (path, manifest) = world.manifests().pop().unwrap();
    fs::remove_file(world.at("backup").join(&manifest.list_name)).unwrap();
    world.apply(0);
    assert_eq!(world.manifests().pop().unwrap().1.sequence, 1001);
    // A number that no copy can have decides nothing.
    let mut wrong = manifest;
    wrong.sequence = u64::MAX - 1;
    fs::write(path, wrong.to_bytes()).unwrap();
    world.apply(0);
    let highest = |world: &Workspace| {
        let sequences = world.manifests().into_iter().map(|(_, manifest)| manifest.sequence);
        sequences.filter(|sequence| *sequence < 1 << 48).max()
    };
    assert_eq!(highest(&world), Some(1002));
    // Every copy is gone; the store knows the number.
    fs::remove_dir_all(world.at("backup")).unwrap();
    world.accepted();
    assert_eq!(highest(&world), Some(1003));
}

#[test]
fn another_ops_is_accepted_once() {
    let world = Workspace::with_data(ALL);
    world.file("a", 1);
    world.apply(0);
    world.ops(&ALL.replace("name \"t\"", "name \"u\""));
    assert!(world.apply(3).contains("belongs to the ops `t`"));
    world.accepted();
    world.apply(0);
    assert_eq!(world.marker()["writers"].as_array().unwrap().len(), 2);
    let list = world.json(0, &["list", "--json"]);
    assert_eq!(list["copies"].as_array().unwrap().len(), 2);
}

#[test]
fn copies_of_an_earlier_source_are_another_group() {
    let world = Workspace::with_data(ALL);
    world.file("a", 1);
    world.apply(0);
    fs::rename(world.at("data"), world.at("moved")).unwrap();
    world.ops(&ALL.replace("\"data\"", "\"moved\""));
    // There is no other copy yet: the question is whether this one is meant.
    let refused = world.ends(3, &["restore", "--force"]);
    assert!(refused.contains("was made of `"), "{refused}");
    fs::rename(world.at("moved/a"), world.at("moved/b")).unwrap();
    world.apply(0);
    assert_eq!(world.manifests()[1].1.parent, None);
    assert_eq!(world.restored("b").into_keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn an_unfinished_copy_of_another_machine_stays() {
    let world = Workspace::with_data(ALL);
    world.file("a", 1);
    world.apply(0);
    let draft = world.at("backup/b-20261123T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV.tar.gz.tmp");
    fs::write(&draft, "half").unwrap();
    world.apply(0);
    assert!(draft.exists());
    // One that an interrupted run of this machine left in the place of the marker goes.
    fs::write(world.at("backup/.opsrun-destination.tmp"), "half").unwrap();
    world.give_away();
    output_of(&world.run(&["apply", "--yes", "--accept-destination"]), 0);
    assert!(!world.at("backup/.opsrun-destination.tmp").exists());
}
