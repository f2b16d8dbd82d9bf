//! Putting back what earlier runs left in quarantine.
//!
//! Takes a source whose lock the caller holds, so that no run lives there; reads the index of every quarantine in
//! it. What is still quarantined goes back to its place. What is in neither place was removed: it belongs into a
//! receipt. What cannot be decided stays, with its index.
//! Invariant: an index goes only when every line of it is answered for.

use super::handle::{Dir, TreeError, content_hash, if_there, regular};
use super::publish::{DRAFT, Draft, clear_debris};
use super::quarantine::{DirIdentity, INDEX, IndexLine, QuarantinedFile, beside, forget, private, remove_dir};
use super::walk::QUARANTINE;
use crate::entry::EntryKind;
use crate::units::hex;
use rustix::io::Errno;
use std::io::{Read, Write};

/// What an earlier run left in quarantine, after as much as possible was put back.
#[derive(Debug)]
pub struct Leftover {
    pub run: String,
    pub put_back: u64,
    /// Removals that were completed: they belong into the receipts.
    pub completed: Vec<IndexLine>,
    /// Files that could not be put back, and lines that could not be decided; they stay, with their index.
    pub stuck: Vec<TreeError>,
    remaining: Vec<IndexLine>,
}

/// Puts back what earlier runs left in quarantine. The caller holds the source's lock, so none of them lives.
///
/// Files are hashed as long as `go_on` says so; then their lines stay.
pub fn recover(source: &Dir, cross_mounts: bool, go_on: &dyn Fn() -> bool) -> Result<Vec<Leftover>, TreeError> {
    let Some(top) = if_there(source.open_dir(QUARANTINE, false))? else {
        return Ok(Vec::new());
    };
    let mut leftovers = Vec::new();
    private(&top)?;
    for run in top.names()? {
        let place = match top.open_dir(&run, false) {
            Ok(place) => place,
            // Not a directory: opsrun did not make it, and it blocks nothing.
            Err(e) if matches!(e.errno(), Some(Errno::NOTDIR | Errno::LOOP)) => continue,
            Err(e) => return Err(e),
        };
        private(&place)?;
        let run = String::from_utf8_lossy(&run);
        leftovers.push(recover_run(source, &place, &run, cross_mounts, go_on)?);
    }
    if leftovers.is_empty() {
        remove_dir(source, QUARANTINE)?;
        source.sync()?;
    }
    Ok(leftovers)
}

fn recover_run(
    source: &Dir,
    place: &Dir,
    run: &str,
    cross_mounts: bool,
    go_on: &dyn Fn() -> bool,
) -> Result<Leftover, TreeError> {
    let mut leftover = Leftover {
        run: run.to_owned(),
        put_back: 0,
        completed: Vec::new(),
        stuck: Vec::new(),
        remaining: Vec::new(),
    };
    for line in read_index(place)? {
        let parent = line.path.parent_bytes();
        let dir = source.open_dir(parent, cross_mounts);
        let gone = matches!(&dir, Err(e) if e.errno() == Some(Errno::NOENT));
        let (inside, outside) = (format!("{}.q", line.n), beside(run, line.n));
        let from = if place.has(inside.as_bytes())? {
            Some((place, inside))
        } else {
            match &dir {
                Ok(dir) if dir.has(outside.as_bytes())? => Some((dir, outside)),
                _ => None,
            }
        };
        match (from, dir.as_ref()) {
            // Never taken, or put back already. Another content under the old name says nothing: it may
            // have come after the removal.
            (None, Ok(dir)) if holds(dir, &line, go_on)? => {}
            // Gone from the very directory that held it, or with it. Where that lay on the source's own file system
            // no unmounted disk can explain it.
            (None, Ok(dir))
                if line
                    .dir
                    .is_none_or(|known| DirIdentity::of(dir, source).is_ok_and(|id| id == known)) =>
            {
                leftover.completed.push(line);
            }
            (None, Err(_)) if gone && line.dir.is_none_or(|known| known.inside) => leftover.completed.push(line),
            // The path leads to another directory, or to none: perhaps the disk is not mounted.
            (None, _) => {
                leftover.stuck.push(TreeError::at(
                    "find",
                    &source.path_of(line.path.as_bytes()),
                    std::io::Error::other(format!(
                        "its directory is not the one that held it: mount it, or, if it is gone for good, remove `{}`: every \
                         entry of the copy counts as deleted then",
                        crate::path::shown(&place.path().join(INDEX))
                    )),
                ));
                leftover.remaining.push(line);
            }
            (Some((holder, name)), target) => {
                let taken = QuarantinedFile { dir: holder, name };
                let made;
                let target = match target {
                    Ok(dir) => Ok(dir),
                    Err(_) if gone => match make_parents(source, parent, cross_mounts) {
                        Ok(dir) => {
                            made = dir;
                            Ok(&made)
                        }
                        Err(e) => Err(e),
                    },
                    Err(e) => Err(TreeError::at("open", &source.path_of(parent), io_copy(&e.source))),
                };
                match target.and_then(|dir| taken.put_back(dir, line.path.name())) {
                    Ok(()) => leftover.put_back += 1,
                    Err(e) => {
                        leftover.stuck.push(e);
                        leftover.remaining.push(line);
                    }
                }
            }
        }
    }
    for name in place.names()? {
        let known = name.starts_with(INDEX.as_bytes());
        if !known && leftover.stuck.is_empty() {
            leftover.stuck.push(TreeError::at(
                "put back",
                &place.path_of(&name),
                std::io::Error::other("the index does not say where it belongs"),
            ));
        }
    }
    Ok(leftover)
}

/// Removes the index and the directory of a run whose leftovers are all dealt with. Where some are not, the index
/// keeps their lines only: what a later run deletes is not this one's doing.
pub fn dismiss(source: &Dir, leftover: &Leftover) -> Result<(), TreeError> {
    let top = source.open_dir(QUARANTINE, false)?;
    let place = top.open_dir(leftover.run.as_bytes(), false)?;
    if leftover.stuck.is_empty() {
        return forget(source, &top, &place, &leftover.run);
    }
    let mut text = Vec::new();
    let fail = |e: std::io::Error| TreeError::at("write", &place.path().join(INDEX), e);
    for line in &leftover.remaining {
        serde_json::to_writer(&mut text, line).map_err(|e| fail(e.into()))?;
        text.push(b'\n');
    }
    clear_debris(&place, format!("{INDEX}{DRAFT}").as_bytes())?;
    let mut draft = Draft::create(&place, INDEX)?;
    draft.file().write_all(&text).map_err(fail)?;
    draft.sync()?;
    draft.replace()?;
    place.sync()
}

/// Every whole line; a torn last one was never relied on.
fn read_index(place: &Dir) -> Result<Vec<IndexLine>, TreeError> {
    let mut text = Vec::new();
    if let Some(mut file) = if_there(place.open_file(INDEX.as_bytes(), false))? {
        let read = file.read_to_end(&mut text);
        read.map_err(|e| TreeError::at("read", &place.path().join(INDEX), e))?;
    }
    let lines = text.split(|b| *b == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// True when `dir` holds the file of `line` under its name, with its content.
fn holds(dir: &Dir, line: &IndexLine, go_on: &dyn Fn() -> bool) -> Result<bool, TreeError> {
    let name = line.path.name();
    // Something else may have the name now: it came after the removal.
    if if_there(dir.entry(name, line.path.clone()))?.is_none_or(|entry| entry.kind != EntryKind::File) {
        return Ok(false);
    }
    // A file that cannot be opened: nothing was proven to be gone.
    let Ok(file) = dir.open_file(name, true) else {
        return Ok(true);
    };
    let fail = |e| TreeError::at("read", &dir.path_of(name), e);
    let hash = regular(&file)
        .map_err(fail)?
        .and_then(|found| content_hash(&file, found.size, go_on));
    if hash.is_none() && !go_on() {
        return Err(fail(Errno::INTR.into()));
    }
    Ok(hash.is_some_and(|hash| hex(&hash) == line.sha256))
}

fn make_parents(source: &Dir, parent: &[u8], cross_mounts: bool) -> Result<Dir, TreeError> {
    let mut dir = source.try_clone()?;
    for name in parent.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
        if dir.make_dir(name, 0o700)? {
            dir.sync()?;
        }
        dir = dir.open_dir(name, cross_mounts)?;
    }
    Ok(dir)
}

fn io_copy(e: &std::io::Error) -> std::io::Error {
    e.raw_os_error().map_or_else(
        || std::io::Error::new(e.kind(), e.to_string()),
        std::io::Error::from_raw_os_error,
    )
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests play the part of other programs")]
mod tests {
    use super::*;
    use crate::path::RelPath;
    use crate::tree::quarantine::Quarantine;
    use sha2::{Digest, Sha256};
    use std::fs;

    const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    #[test]
    fn recovery_puts_back_what_is_left_and_tells_what_is_gone() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("d")).unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let rel = |path: &str| RelPath::new(path.as_bytes()).unwrap();
        for name in ["d/gone", "d/taken", "d/beside", "d/untouched", "d/replaced"] {
            fs::write(temp.path().join(name), name).unwrap();
        }
        let paths: Vec<RelPath> = ["d/gone", "d/taken", "d/beside", "d/untouched", "d/replaced"]
            .into_iter()
            .map(rel)
            .collect();
        let mut quarantine = Quarantine::open(&dir, RUN, false).unwrap();
        let sha = |p: &RelPath| Sha256::digest(p.as_bytes()).into();
        quarantine.announce(paths.iter().map(|p| (p, sha(p), "copy"))).unwrap();
        let place = temp.path().join(".opsrun-quarantine").join(RUN);
        fs::remove_file(temp.path().join("d/gone")).unwrap();
        fs::rename(temp.path().join("d/taken"), place.join("1.q")).unwrap();
        fs::rename(temp.path().join("d/beside"), temp.path().join("d").join(beside(RUN, 2))).unwrap();
        fs::rename(temp.path().join("d/replaced"), place.join("4.q")).unwrap();
        fs::write(temp.path().join("d/replaced"), "another file").unwrap();
        drop(quarantine);

        let leftovers = recover(&dir, false, &|| true).unwrap();
        let [leftover] = &leftovers[..] else { panic!() };
        assert_eq!(leftover.put_back, 2);
        assert_eq!(
            leftover
                .completed
                .iter()
                .map(|l| l.path.to_string())
                .collect::<Vec<_>>(),
            ["d/gone"]
        );
        assert_eq!(leftover.stuck.len(), 1);
        assert_eq!(fs::read_to_string(temp.path().join("d/taken")).unwrap(), "d/taken");
        assert_eq!(fs::read_to_string(temp.path().join("d/beside")).unwrap(), "d/beside");
        assert_eq!(fs::read_to_string(place.join("4.q")).unwrap(), "d/replaced");

        // Once the stranger is out of the way, nothing remains.
        fs::remove_file(temp.path().join("d/replaced")).unwrap();
        let leftovers = recover(&dir, false, &|| true).unwrap();
        dismiss(&dir, &leftovers[0]).unwrap();
        assert_eq!(
            fs::read_to_string(temp.path().join("d/replaced")).unwrap(),
            "d/replaced"
        );
        assert!(!temp.path().join(".opsrun-quarantine").exists());
        assert!(recover(&dir, false, &|| true).unwrap().is_empty());
    }

    /// A file system may do what was asked and say that it failed.
    #[test]
    fn an_index_stays_while_a_file_is_in_quarantine() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("f"), "f").unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let path = RelPath::new(b"f").unwrap();
        let mut quarantine = Quarantine::open(&dir, RUN, false).unwrap();
        quarantine
            .announce([(&path, Sha256::digest("f").into(), "copy")].into_iter())
            .unwrap();
        let place = temp.path().join(".opsrun-quarantine").join(RUN);
        fs::rename(temp.path().join("f"), place.join("0.q")).unwrap();
        quarantine.close().unwrap_err();
        let leftovers = recover(&dir, false, &|| true).unwrap();
        assert_eq!((leftovers[0].put_back, leftovers[0].stuck.len()), (1, 0));
        dismiss(&dir, &leftovers[0]).unwrap();
        assert_eq!(fs::read(temp.path().join("f")).unwrap(), b"f");
        assert!(!temp.path().join(".opsrun-quarantine").exists());
    }

    #[test]
    fn an_unreachable_directory_proves_no_removal() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("d")).unwrap();
        fs::write(temp.path().join("d/f"), "f").unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let path = RelPath::new(b"d/f").unwrap();
        let mut quarantine = Quarantine::open(&dir, RUN, true).unwrap();
        quarantine.announce([(&path, [0; 32], "copy")].into_iter()).unwrap();
        drop(quarantine);
        // Its directory is away, as an unmounted disk would be, and an empty one is at its path.
        fs::rename(temp.path().join("d"), temp.path().join("away")).unwrap();
        fs::create_dir(temp.path().join("d")).unwrap();
        let leftovers = recover(&dir, true, &|| true).unwrap();
        assert!(leftovers[0].completed.is_empty() && leftovers[0].stuck.len() == 1);
        dismiss(&dir, &leftovers[0]).unwrap();
        assert!(temp.path().join(".opsrun-quarantine").join(RUN).join(INDEX).exists());
    }

    #[test]
    fn what_cannot_be_told_keeps_its_lines_and_no_others() {
        let temp = tempfile::tempdir().unwrap();
        for dir in ["d", "e"] {
            fs::create_dir(temp.path().join(dir)).unwrap();
        }
        fs::write(temp.path().join("e/later"), "later").unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let paths = [b"d/f".as_slice(), b"e/gone", b"e/later"].map(|p| RelPath::new(p).unwrap());
        let sha = |p: &RelPath| Sha256::digest(if p.name() == b"later" { b"later".as_slice() } else { b"" }).into();
        let mut quarantine = Quarantine::open(&dir, RUN, true).unwrap();
        quarantine.announce(paths.iter().map(|p| (p, sha(p), "copy"))).unwrap();
        drop(quarantine);
        fs::rename(temp.path().join("d"), temp.path().join("away")).unwrap();
        fs::create_dir(temp.path().join("d")).unwrap();
        let first = recover(&dir, true, &|| true).unwrap();
        assert_eq!((first[0].completed.len(), first[0].stuck.len()), (1, 1));
        dismiss(&dir, &first[0]).unwrap();
        // What another run deletes meanwhile is not this one's doing.
        fs::remove_file(temp.path().join("e/later")).unwrap();
        let second = recover(&dir, true, &|| true).unwrap();
        assert_eq!((second[0].completed.len(), second[0].stuck.len()), (0, 1));
        // Its directory is back, as after a mount: now it is decided.
        fs::remove_dir(temp.path().join("d")).unwrap();
        fs::rename(temp.path().join("away"), temp.path().join("d")).unwrap();
        let third = recover(&dir, true, &|| true).unwrap();
        assert_eq!((third[0].completed.len(), third[0].stuck.len()), (1, 0));
        dismiss(&dir, &third[0]).unwrap();
        assert!(!temp.path().join(".opsrun-quarantine").exists());
    }

    #[test]
    fn a_quarantine_that_others_may_write_to_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let place = temp.path().join(".opsrun-quarantine").join(RUN);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("0.q"), "planted").unwrap();
        fs::write(
            place.join(INDEX),
            "{\"n\":0,\"path\":\"planted\",\"sha256\":\"\",\"copy\":\"c\",\"dir\":null}\n",
        )
        .unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(recover(&Dir::open(temp.path()).unwrap(), false, &|| true).is_err());
        assert!(!temp.path().join("planted").exists());
    }
}
