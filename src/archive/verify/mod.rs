//! Reading a copy back whole, and what that proves.
//!
//! Opens the stored bytes again, compares the hash of every content with the one taken while the source was read, and
//! everything else with the list: `archive` does it for archives, `tree_form` for trees. Its results, [`ProvenDraft`]
//! and after publishing [`VerifiedCopy`], cannot be made in any other way.
//! Invariant: a [`VerifiedCopy`] holds the open files of a committed copy that was read in this process and is, byte
//! for byte, what its list and manifest say.

mod archive;
pub(super) mod list_reader;

use super::error::CopyError;
use super::file_list::{FileEntries, plausible};
use super::form::{OpenContent, UnpublishedContent};
use super::job::WrittenCopy;
use super::manifest::{Manifest, read_manifest};
use super::name::CopyName;
use super::progress::CopyProgress;
use super::tree_form::{self, Seals};
use crate::entry::Identity;
use crate::path::RelPath;
use crate::tree::Dir;
use crate::tree::handle::regular;
use crate::tree::publish::{Draft, clear_dead_debris};
use list_reader::ListReader;
use std::fs::File;

/// Content that was read and proven.
#[derive(Debug)]
enum ProvenContent {
    Archive(File, Identity),
    Tree(Seals),
}

/// Content, list and manifest of one copy, read and proven.
#[derive(Debug)]
struct Proven {
    content: ProvenContent,
    list: (File, Identity),
    manifest_file: (File, Identity),
    manifest: Manifest,
    digests: Vec<[u8; 32]>,
}

/// A proven copy under temporary names: it may be published.
#[derive(Debug)]
pub struct ProvenDraft(Proven);

/// A committed copy that was read back and proven in this process.
#[derive(Debug)]
pub struct VerifiedCopy {
    name: CopyName,
    destination: Dir,
    proven: Proven,
}

impl VerifiedCopy {
    pub fn name(&self) -> &CopyName {
        &self.name
    }

    pub fn manifest(&self) -> &Manifest {
        &self.proven.manifest
    }

    /// The destination's path, for messages.
    pub fn place(&self) -> String {
        crate::path::shown(self.destination.path()).to_string()
    }

    /// False when a sync was refused where it lies: it may not survive a power cut, and proves no deletion.
    pub fn is_durable(&self) -> bool {
        self.destination.is_durable()
    }

    /// Its rows in path order, read through the open handle; a member that changed after the proof is an error.
    pub fn rows(&self) -> FileEntries<'_, &File> {
        let Proven {
            list,
            manifest,
            digests,
            ..
        } = &self.proven;
        FileEntries::new(&list.0, self.name.list(), manifest, Some(digests))
    }

    /// Checks that its names still lead to what was proven, unchanged. `relied` are the paths that the caller is about
    /// to rely on: for a tree, which is not one file, these are checked.
    pub fn still_there(&self, relied: &[&RelPath]) -> Result<(), CopyError> {
        let content = self.manifest().form().content_name(&self.name);
        if let ProvenContent::Archive(held, identity) = &self.proven.content {
            unmoved(&self.destination, &content, held, identity)?;
        }
        for (name, (held, identity)) in [
            (self.name.list(), &self.proven.list),
            (self.name.manifest(), &self.proven.manifest_file),
        ] {
            unmoved(&self.destination, &name, held, identity)?;
        }
        match &self.proven.content {
            ProvenContent::Archive(..) => Ok(()),
            ProvenContent::Tree(seals) => seals.unbroken(&self.destination, &content, relied),
        }
    }
}

fn unmoved(destination: &Dir, name: &str, held: &File, identity: &Identity) -> Result<(), CopyError> {
    let moved = || CopyError::Moved { file: name.to_owned() };
    let now = destination.open_file(name.as_bytes(), true).map_err(|_| moved())?;
    let same = |file: &File| regular(file).ok().flatten() == Some(*identity);
    if same(&now) && same(held) { Ok(()) } else { Err(moved()) }
}

/// Reads a written copy back.
pub fn verify(written: &WrittenCopy, threads: usize, progress: &dyn CopyProgress) -> Result<ProvenDraft, CopyError> {
    let opened = OpenParts {
        content: written.content.reopen()?,
        list: written.list.reopen()?,
        manifest_file: written.manifest_file.reopen()?,
        synced: true,
    };
    let proven = prove(opened, &written.name, threads, progress)?;
    if proven.manifest != written.manifest {
        return Err(CopyError::damaged(
            &written.name.manifest(),
            "it is not what was written",
        ));
    }
    Ok(ProvenDraft(proven))
}

/// Gives a copy its final names; the manifest's, given last, is the commit point.
pub fn publish(written: WrittenCopy, checked: ProvenDraft) -> Result<VerifiedCopy, CopyError> {
    let WrittenCopy {
        name,
        destination,
        content,
        list,
        manifest_file,
        ..
    } = written;
    let mut proven = checked.0;
    // Each handle gives way to one by the final name, and is closed before: some file systems keep a name that is dropped
    // while it is open.
    proven.content = match (content, proven.content) {
        (UnpublishedContent::Archive(draft), ProvenContent::Archive(held, identity)) => {
            drop(held);
            let (file, identity) = renamed(draft, &identity)?;
            ProvenContent::Archive(file, identity)
        }
        // Renaming a directory does not change the files in it.
        (UnpublishedContent::Tree(draft), ProvenContent::Tree(seals)) => {
            draft.publish()?;
            ProvenContent::Tree(seals)
        }
        _ => {
            return Err(CopyError::damaged(
                &name.manifest(),
                "its form differs from the content of the copy",
            ));
        }
    };
    let (held, list_state) = proven.list;
    drop(held);
    proven.list = renamed(list, &list_state)?;
    destination.sync()?;
    let (held, manifest_state) = proven.manifest_file;
    drop(held);
    proven.manifest_file = renamed(manifest_file, &manifest_state)?;
    if let Err(e) = destination.sync() {
        // The commit may or may not be on the disk, and a second sync would report success: it is undone.
        drop(proven.manifest_file);
        let _ = clear_dead_debris(&destination, name.manifest().as_bytes());
        return Err(e.into());
    }
    let verified = VerifiedCopy {
        name,
        destination,
        proven,
    };
    verified.still_there(&[])?;
    Ok(verified)
}

/// Publishes a file that was proven in this state. Its new name changed the ctime, and must have changed nothing else.
fn renamed(draft: Draft, proven: &Identity) -> Result<(File, Identity), CopyError> {
    let name = draft.name().to_owned();
    let named = draft.publish()?;
    let now = regular(&named).map_err(|e| CopyError::io("read", &name, e))?;
    let rest = |i: &Identity| (i.dev, i.ino, i.size, i.mtime_ns);
    match now.filter(|now| rest(now) == rest(proven)) {
        Some(now) => Ok((named, now)),
        None => Err(CopyError::Moved { file: name }),
    }
}

pub fn verify_committed(
    destination: &Dir,
    name: &CopyName,
    threads: usize,
    progress: &dyn CopyProgress,
) -> Result<VerifiedCopy, CopyError> {
    let open = |file: String| destination.open_file(file.as_bytes(), true);
    let manifest_file = open(name.manifest())?;
    let form = read_manifest(&manifest_file, name)?.form();
    let opened = OpenParts {
        content: OpenContent::open(destination, name, form)?,
        list: open(name.list())?,
        manifest_file,
        synced: false,
    };
    // It may have been moved here by hand, or its run may have died at the last sync. What a deletion relies on is
    // first made durable, then read from the disk. For a tree, this is done file by file.
    if let OpenContent::Archive(archive) = &opened.content {
        settle(destination, archive, &name.archive())?;
    }
    settle(destination, &opened.list, &name.list())?;
    settle(destination, &opened.manifest_file, &name.manifest())?;
    destination.sync()?;
    let proven = prove(opened, name, threads, progress)?;
    Ok(VerifiedCopy {
        name: name.clone(),
        destination: destination.try_clone()?,
        proven,
    })
}

fn settle(destination: &Dir, file: &File, name: &str) -> Result<(), CopyError> {
    destination
        .sync_file(file)
        .map_err(|e| CopyError::io("sync", name, e))?;
    // Only advice: a file system that ignores it still reads back what it has.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    Ok(())
}

/// The parts of a copy, opened for reading.
struct OpenParts {
    content: OpenContent,
    list: File,
    manifest_file: File,
    /// Everything in it was made durable in this run, and dropped from the page cache.
    synced: bool,
}

fn state(file: &File, name: &str) -> Result<Identity, CopyError> {
    regular(file)
        .map_err(|e| CopyError::io("read", name, e))?
        .ok_or_else(|| CopyError::damaged(name, "it is not a regular file"))
}

/// The state of a file that must have `recorded` bytes.
fn state_of(file: &File, name: &str, recorded: u64) -> Result<Identity, CopyError> {
    let found = state(file, name)?;
    if found.size == recorded {
        Ok(found)
    } else {
        let what = format!("it has {} bytes, {recorded} were written", found.size);
        Err(CopyError::damaged(name, what))
    }
}

fn prove(opened: OpenParts, name: &CopyName, threads: usize, progress: &dyn CopyProgress) -> Result<Proven, CopyError> {
    let OpenParts {
        content,
        list,
        manifest_file,
        synced,
    } = opened;
    let (list_name, manifest_name) = (name.list(), name.manifest());
    let manifest_state = state(&manifest_file, &manifest_name)?;
    let manifest = read_manifest(&manifest_file, name)?;
    let content_name = manifest.form().content_name(name);
    let archive_state = match &content {
        OpenContent::Archive(archive) => Some(state_of(archive, &content_name, manifest.archive_bytes)?),
        OpenContent::Tree(_) => None,
    };
    let list_state = state_of(&list, &list_name, manifest.list_bytes)?;
    plausible(&manifest)?;
    let mut rows = ListReader::new(&list, &list_name, &manifest);
    let (content, digests) = match (content, archive_state, &manifest.tree) {
        (OpenContent::Archive(archive), Some(before), None) => {
            archive::prove(&archive, &content_name, &mut rows, &manifest, threads, progress)?;
            let digests = rows.finish()?;
            if state(&archive, &content_name)? != before {
                return Err(CopyError::damaged(&content_name, "it changed while it was read"));
            }
            (ProvenContent::Archive(archive, before), digests)
        }
        (OpenContent::Tree(tree), None, Some(facts)) => {
            let job = tree_form::Proving {
                tree: &tree,
                name: &content_name,
                facts,
                synced,
                progress,
            };
            let seals = tree_form::prove(&job, &mut rows, manifest.archive_bytes, threads)?;
            let digests = rows.finish()?;
            (ProvenContent::Tree(seals), digests)
        }
        _ => {
            return Err(CopyError::damaged(
                &manifest_name,
                "its form differs from the content of the copy",
            ));
        }
    };
    for (file, name, before) in [
        (&list, &list_name, list_state),
        (&manifest_file, &manifest_name, manifest_state),
    ] {
        if state(file, name)? != before {
            return Err(CopyError::damaged(name, "it changed while it was read"));
        }
    }
    Ok(Proven {
        content,
        list: (list, list_state),
        manifest_file: (manifest_file, manifest_state),
        manifest,
        digests,
    })
}
