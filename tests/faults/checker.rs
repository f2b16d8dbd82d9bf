//! Is every byte still there? Written from the documents alone: shares no code with opsrun.
//!
//! Takes what a tree held before, and the directories of a [`Case`] after; gives what is wrong, in words. A
//! byte is there when its file is in place, or in a quarantine whose index names it, or in a committed copy
//! (one whose manifest has its final name): an archive, unpacked by the system's `tar`, or a tree.

use super::scenario::{Case, Scenario, Snapshot};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where the content of a path was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Under its own name.
    Home,
    /// In quarantine, with a line that records where it belongs.
    Quarantined,
    /// In a committed copy.
    Copied,
    /// Nowhere.
    Lost,
}

/// What may be asked of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// At any moment: nothing is lost, and nothing is touched that may not be.
    NothingLost,
    /// After a finished run, besides: all that expired is gone from the source and in a committed copy.
    Finished,
    /// After a finished run, besides: it has left nothing lying about.
    FinishedAndTidy,
}

/// What a tree holds: regular files by their bytes, symlinks as `-> target`; directories are left out, and so
/// are files of opsrun's own.
pub fn snapshot(root: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    walk(root, &mut |path, relative| {
        if !is_ours(relative) {
            let content = if path.is_symlink() {
                [b"-> ", std::fs::read_link(path).unwrap().as_os_str().as_bytes()].concat()
            } else {
                std::fs::read(path).unwrap()
            };
            found.insert(relative.to_vec(), content);
        }
    });
    found
}

/// Everything that is wrong; empty when all is well.
pub fn problems(case: &Case, scenario: &Scenario, before: &Snapshot, expect: Expect) -> Vec<String> {
    let mut wrong = Vec::new();
    let now = snapshot(&case.source());
    let quarantine = quarantined(&case.source());
    let must_have_copy = expect != Expect::NothingLost;
    let elsewhere = |path: &Vec<u8>| now.get(path) != before.get(path);
    // Unpacking costs most: only when something depends on it.
    let copies = if must_have_copy
        || before
            .keys()
            .any(|p| elsewhere(p) && quarantine.get(p) != before.get(p))
    {
        unpack_all(case, &mut wrong)
    } else {
        Vec::new()
    };
    let expired = scenario.expired();
    for (path, content) in before {
        let place = if now.get(path) == Some(content) {
            Place::Home
        } else if quarantine.get(path) == Some(content) {
            Place::Quarantined
        } else if copies.iter().any(|copy| copy.get(path) == Some(content)) {
            Place::Copied
        } else {
            Place::Lost
        };
        let name = path.escape_ascii();
        let may_go = expired.contains(&path.as_slice());
        if place == Place::Lost {
            wrong.push(format!("LOST: `{name}` is nowhere"));
        } else if !may_go && place != Place::Home {
            wrong.push(format!("`{name}` must stay and is {place:?}"));
        } else if may_go && must_have_copy && place != Place::Copied {
            wrong.push(format!("`{name}` should be gone and is {place:?}"));
        } else if may_go && must_have_copy && now.contains_key(path) {
            wrong.push(format!("`{name}` should be gone, but something has its name"));
        }
    }
    for path in now.keys().filter(|path| !before.contains_key(*path)) {
        wrong.push(format!("`{}` was not there before", path.escape_ascii()));
    }
    let outside = snapshot(&case.root().join("outside"));
    if outside != BTreeMap::from([(b"precious".to_vec(), b"outside of everything".to_vec())]) {
        wrong.push(format!("the tree outside was changed: {:?}", outside.keys()));
    }
    if expect == Expect::FinishedAndTidy {
        wrong.extend(debris(case));
    }
    wrong
}

/// Files that a finished run should not have left.
fn debris(case: &Case) -> Vec<String> {
    let mut found = Vec::new();
    walk(&case.source(), &mut |_, relative| {
        if is_ours(relative) {
            found.push(format!("left in the source: `{}`", relative.escape_ascii()));
        }
    });
    if case.source().join(".opsrun-quarantine").exists() {
        found.push("left in the source: the quarantine".to_owned());
    }
    let mut names = Vec::new();
    walk(&case.root().join("copies"), &mut |_, relative| {
        names.push(relative.to_vec());
    });
    for name in &names {
        let shown = name.escape_ascii();
        if name.ends_with(b".tmp") {
            found.push(format!("left in the destination: `{shown}`"));
        }
        if let Some(stem) = name.strip_suffix(b".tar.gz")
            && !names.contains(&[stem, b".manifest.json"].concat())
        {
            found.push(format!("an archive without a manifest: `{shown}`"));
        }
    }
    for tree in trees(case) {
        let text = tree.to_str().unwrap();
        let committed = text
            .strip_suffix(".tree")
            .is_some_and(|stem| Path::new(&format!("{stem}.manifest.json")).exists());
        if !committed {
            found.push(format!("a tree without a manifest: `{text}`"));
        }
    }
    found
}

fn is_ours(relative: &[u8]) -> bool {
    relative.split(|b| *b == b'/').any(|part| part.starts_with(b".opsrun-"))
}

/// Calls `each` for everything below `root` except directories, with its path and its path relative to `root`.
fn walk(root: &Path, each: &mut dyn FnMut(&Path, &[u8])) {
    let mut stack = vec![root.to_owned()];
    while let Some(dir) = stack.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                stack.push(path);
            } else {
                each(&path, path.strip_prefix(root).unwrap().as_os_str().as_bytes());
            }
        }
    }
}

/// What is quarantined and named by an index: original path to bytes.
fn quarantined(source: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    walk(source, &mut |index, relative| {
        let name = index.file_name().unwrap().to_str().unwrap_or_default();
        let run = if relative.starts_with(b".opsrun-quarantine/") && name == "index.jsonl" {
            index
                .parent()
                .unwrap()
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        } else if let Some(rest) = name.strip_prefix(".opsrun-").and_then(|n| n.strip_suffix(".index")) {
            rest.split('-').next().unwrap().to_owned()
        } else {
            return;
        };
        for line in std::fs::read(index).unwrap().split(|b| *b == b'\n') {
            // A line that was torn names nothing.
            let Ok(line) = serde_json::from_slice::<serde_json::Value>(line) else {
                continue;
            };
            let (Some(n), Some(path)) = (line["n"].as_u64(), stored_path(&line["path"])) else {
                continue;
            };
            let original = source.join(OsStr::from_bytes(&path));
            let beside = original.parent().unwrap().join(format!(".opsrun-{run}-{n}.q"));
            let inside = source.join(format!(".opsrun-quarantine/{run}/{n}.q"));
            for place in [inside, beside] {
                if let Ok(bytes) = std::fs::read(place) {
                    found.insert(path.clone(), bytes);
                }
            }
        }
    });
    found
}

/// A path as the indexes write it: text, or `{"base64": …}` if it is not UTF-8.
fn stored_path(value: &serde_json::Value) -> Option<Vec<u8>> {
    match value {
        serde_json::Value::String(text) => Some(text.clone().into_bytes()),
        _ => base64(value["base64"].as_str()?),
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for c in text.bytes().filter(|c| *c != b'=') {
        let digit = DIGITS.iter().position(|d| *d == c)?;
        bits = (bits << 6) | digit as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

/// All trees in the destination.
fn trees(case: &Case) -> Vec<PathBuf> {
    let (mut found, mut stack) = (Vec::new(), vec![case.root().join("copies")]);
    while let Some(dir) = stack.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
            let name = path.file_name().unwrap().as_bytes().to_vec();
            let tree = name.ends_with(b".tree") || name.ends_with(b".tree.tmp");
            if tree { &mut found } else { &mut stack }.push(path);
        }
    }
    found
}

/// Every committed copy: archives unpacked by the system's tar, trees as they are.
pub fn unpack_all(case: &Case, wrong: &mut Vec<String>) -> Vec<Snapshot> {
    let (mut archives, mut plain) = (Vec::<PathBuf>::new(), Vec::new());
    walk(&case.root().join("copies"), &mut |manifest, _| {
        let name = manifest.file_name().unwrap().to_os_string().into_vec();
        // An empty one has been given its name, and not yet its content: it commits nothing.
        let whole = || serde_json::from_slice::<serde_json::Value>(&std::fs::read(manifest).unwrap()).is_ok();
        if let Some(stem) = name.strip_suffix(b".manifest.json").filter(|_| whole()) {
            let beside = |end: &[u8]| manifest.with_file_name(OsStr::from_bytes(&[stem, end].concat()));
            if beside(b".tree").is_dir() {
                plain.push(snapshot(&beside(b".tree")));
            } else {
                archives.push(beside(b".tar.gz"));
            }
        }
    });
    let unpack = |archive: &PathBuf| {
        let into = tempfile::tempdir_in(case.scratch()).unwrap();
        let done = super::system("tar", &["xzf", archive.to_str().unwrap()], into.path());
        if !done.status.success() {
            let stderr = String::from_utf8_lossy(&done.stderr);
            wrong.push(format!(
                "tar cannot unpack the committed {}: {stderr}",
                archive.display()
            ));
        }
        snapshot(into.path())
    };
    archives.iter().map(unpack).chain(plain).collect()
}

#[test]
fn tells_where_every_byte_is() {
    let scenario = &super::scenario::all()[0];
    let before = scenario.snapshot();
    let case = scenario.lay_out();
    let ask = |expect| problems(&case, scenario, &before, expect);
    assert_eq!(ask(Expect::NothingLost), Vec::<String>::new());
    assert!(!ask(Expect::Finished).is_empty(), "expired files are still there");

    // Everything that expired goes into an archive; without its manifest that counts for nothing.
    let (source, copies) = (case.source(), case.root().join("copies"));
    std::fs::create_dir(&copies).unwrap();
    super::system("tar", &["czf", "../copies/c.tar.gz", "."], &source);
    for path in scenario.expired() {
        std::fs::remove_file(source.join(OsStr::from_bytes(path))).unwrap();
    }
    let lost = ask(Expect::NothingLost);
    assert_eq!(lost.len(), scenario.expired().len(), "{lost:?}");
    std::fs::write(copies.join("c.manifest.json"), "{}").unwrap();
    assert_eq!(ask(Expect::FinishedAndTidy), Vec::<String>::new());

    // A quarantined file needs a line that names it.
    std::fs::remove_file(copies.join("c.manifest.json")).unwrap();
    let quarantine = source.join(".opsrun-quarantine/01RUN");
    std::fs::create_dir_all(&quarantine).unwrap();
    std::fs::write(quarantine.join("3.q"), &before[b"raw/not\xff\xfeutf8.jsonl".as_slice()]).unwrap();
    assert_eq!(ask(Expect::NothingLost).len(), lost.len());
    let line = "{\"n\":3,\"path\":{\"base64\":\"cmF3L25vdP/+dXRmOC5qc29ubA==\"},\"sha256\":\"\",\"copy\":\"c\"}\n{\"n\":4,\"pa";
    std::fs::write(quarantine.join("index.jsonl"), line).unwrap();
    assert_eq!(ask(Expect::NothingLost).len(), lost.len() - 1);
    assert_eq!(debris(&case).len(), 4);

    std::fs::create_dir(copies.join("d.tree.tmp")).unwrap();
    assert_eq!(debris(&case).len(), 5);

    // What must stay is missed, what does not belong is seen.
    std::fs::remove_file(source.join("decision/ancient.jsonl")).unwrap();
    std::fs::write(source.join("new"), "").unwrap();
    std::fs::write(case.root().join("outside/precious"), "changed").unwrap();
    assert_eq!(ask(Expect::NothingLost).len(), lost.len() + 2);
}
