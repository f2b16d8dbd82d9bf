//! Writing a copy: entries in, three synced drafts out, nothing published.
//!
//! Small entries are gathered into batches, each of which one worker opens, reads, hashes and compresses into one
//! member; a large file is read and hashed in order and compressed in pieces of one member each. The sink writes
//! members in order. When a large file changed while it was read, what was written of it is cut off again.
//! Invariant: memory is bounded by the pipeline's window, not by the number or size of files.

use super::error::CopyError;
use super::header::{TRAILER, header_bytes, padding};
use super::intake::{self, AGAIN, Absent};
use super::list::{ListDone, ListWriter};
use super::manifest::{FORMAT, Incomplete, Manifest, Member, NAMED};
use super::member::{self, CUT};
use super::name::CopyName;
use super::pipeline;
use super::row::{Bytes, Row, RowState, hex};
use crate::entry::{Entry, Identity, Kind};
use crate::path::RelPath;
use crate::tree::publish::Draft;
use crate::tree::{Dir, Opener};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Told how far it is, asked whether to stop; from any thread, often.
pub trait Watch: Sync {
    /// True ends the work early.
    fn stop(&self) -> bool;
    /// So many entries and bytes more.
    fn advance(&self, files: u64, bytes: u64);
}

/// Facts for the manifest that are known before.
#[derive(Debug, Clone)]
pub struct About {
    /// The `ops` name.
    pub ops_name: String,
    /// The machine.
    pub host: String,
    /// The run.
    pub run: String,
    /// Number of this copy.
    pub sequence: u64,
    /// The copy before it.
    pub parent: Option<String>,
    /// UUID of the source's file system.
    pub source_fs_uuid: Option<String>,
    /// When it was begun.
    pub backup_at: DateTime<Utc>,
    /// The source directory.
    pub source: PathBuf,
    /// Files that the source held.
    pub source_files: u64,
    /// Why the copy is not trusted.
    pub suspect: Option<String>,
    /// `all` or `expired`.
    pub contents: String,
}

/// What to write.
pub struct WriteJob<'a> {
    /// The source.
    pub source: &'a Dir,
    /// Follow into other mounts.
    pub cross_mounts: bool,
    /// In walk order, with the directories above them.
    pub entries: &'a [&'a Entry],
    /// The destination.
    pub destination: &'a Dir,
    /// The copy's name.
    pub name: CopyName,
    /// gzip level, 1 to 12.
    pub level: u8,
    /// Threads; 1 is deterministic.
    pub threads: usize,
    /// Facts for the manifest.
    pub about: About,
    /// What could not even be listed.
    pub problems: Vec<Incomplete>,
    /// Whom to tell and ask.
    pub watch: &'a dyn Watch,
}

/// A copy that is written and durable under temporary names.
#[derive(Debug)]
pub struct Written {
    pub(super) name: CopyName,
    pub(super) destination: Dir,
    pub(super) archive: Draft,
    pub(super) list: Draft,
    pub(super) manifest_file: Draft,
    pub(super) manifest: Manifest,
    remarks: Vec<String>,
}

impl Written {
    /// What it will be.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Things worth telling: torn and vanished files.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }
}

/// Writes a copy.
pub fn write(job: &WriteJob<'_>) -> Result<Written, CopyError> {
    let archive = Draft::create(job.destination, &job.name.archive())?;
    let list = ListWriter::new(Draft::create(job.destination, &job.name.list())?);
    let packer = Packer {
        job,
        granule: intake::granule(),
        scratch: Mutex::new(Vec::new()),
        links: first_names(job.entries),
    };
    let mut feed = Feed::new(&packer);
    let mut sink = Sink {
        packer: &packer,
        archive,
        list,
        members: Vec::new(),
        at: 0,
        hash: Sha256::new(),
        checkpoint: None,
        stored: HashMap::new(),
        incomplete: Vec::new(),
        incomplete_total: 0,
        torn: Vec::new(),
        vanished: 0,
    };
    for problem in job.problems.iter().cloned() {
        sink.miss(problem.path, problem.why);
    }
    pipeline::run(
        job.threads,
        4 * job.threads,
        || feed.next(),
        |task| packer.work(task),
        |done| sink.take(done),
    )?;
    sink.finish()
}

/// By inode with several names: the index of its first name.
fn first_names(entries: &[&Entry]) -> HashMap<(u64, u64), usize> {
    let mut first = HashMap::new();
    for (at, entry) in entries.iter().enumerate() {
        if entry.kind == Kind::File && entry.nlink > 1 {
            first.entry((entry.identity.dev, entry.identity.ino)).or_insert(at);
        }
    }
    first
}

/// A piece of work.
enum Task {
    /// Entries `from..to`, one member.
    Batch { from: usize, to: usize, member: u64 },
    /// Plain bytes of a large file, one member.
    Piece(Piece),
    /// What was written of the large file is to be cut off.
    Rollback,
    /// The large file could not be read: cut off what was written, and say so.
    Lost { at: usize, why: Absent },
    /// The end of the archive, one member.
    Trailer,
}

struct Piece {
    plain: Vec<u8>,
    /// The first piece: a checkpoint is taken before it.
    first: bool,
    /// With the last piece.
    row: Option<Box<Row>>,
    content: u64,
}

/// What work makes of it.
enum Packed {
    Batch {
        from: usize,
        to: usize,
        member: u64,
        packed: Vec<u8>,
        plain: u64,
        found: Vec<(usize, Result<Row, Absent>)>,
        content: u64,
    },
    Piece {
        packed: Vec<u8>,
        plain: u64,
        first: bool,
        row: Option<Box<Row>>,
        content: u64,
    },
    Rollback,
    Lost {
        at: usize,
        why: Absent,
    },
    Trailer {
        packed: Vec<u8>,
    },
}

/// Makes members.
struct Packer<'a> {
    job: &'a WriteJob<'a>,
    granule: Duration,
    scratch: Mutex<Vec<Opener<'a>>>,
    links: HashMap<(u64, u64), usize>,
}

impl<'a> Packer<'a> {
    fn opener(&self) -> Opener<'a> {
        let kept = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| Opener::new(self.job.source, self.job.cross_mounts))
    }

    fn put_away(&self, opener: Opener<'a>) {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(opener);
    }

    fn work(&self, task: Task) -> Packed {
        match task {
            Task::Batch { from, to, member } => self.batch(from, to, member, &HashSet::new()),
            Task::Piece(piece) => Packed::Piece {
                packed: member::encode(&piece.plain, self.job.level),
                plain: piece.plain.len() as u64,
                first: piece.first,
                row: piece.row,
                content: piece.content,
            },
            Task::Rollback => Packed::Rollback,
            Task::Lost { at, why } => Packed::Lost { at, why },
            Task::Trailer => Packed::Trailer {
                packed: member::encode(&TRAILER, self.job.level),
            },
        }
    }

    /// The entry whose other name this is, if it comes before.
    fn first_name(&self, at: usize, entry: &Entry) -> Option<(usize, &'a RelPath)> {
        let id = (entry.identity.dev, entry.identity.ino);
        let first = *self.links.get(&id).filter(|first| entry.nlink > 1 && **first < at)?;
        self.job.entries.get(first).map(|e| (first, &e.path))
    }

    /// Reads and packs entries. Those in `whole` are stored as files of their own, whatever their links.
    fn batch(&self, from: usize, to: usize, member: u64, whole: &HashSet<usize>) -> Packed {
        let mut opener = self.opener();
        let mut plain = Vec::with_capacity(CUT + CUT / 4);
        let mut found = Vec::with_capacity(to - from);
        let mut content = 0;
        for at in from..to {
            let Some(entry) = self.job.entries.get(at) else {
                continue;
            };
            if self.job.watch.stop() {
                break;
            }
            let link = self.first_name(at, entry).filter(|_| !whole.contains(&at));
            let read = match (entry.kind, link) {
                (Kind::Dir, _) => Ok((
                    intake::directory(self.job.source, entry, self.job.cross_mounts),
                    Vec::new(),
                )),
                (Kind::Symlink, _) => intake::symlink(&mut opener, entry).map(|row| (row, Vec::new())),
                (Kind::File, Some((_, first))) => {
                    intake::hardlink(&mut opener, entry, first).map(|row| (row, Vec::new()))
                }
                (Kind::File, None) if plain.len() > 8 * CUT => Err(Absent::Unreadable(
                    "it grew while the copy was made; the next run stores it".to_owned(),
                )),
                (Kind::File, None) => intake::small(&mut opener, entry, self.granule),
                _ => Err(Absent::Special),
            };
            found.push((
                at,
                read.map(|(mut row, data)| {
                    row.member = member;
                    row.offset = plain.len() as u64;
                    plain.extend_from_slice(&header_bytes(&row));
                    plain.extend_from_slice(&data);
                    plain.resize(plain.len() + padding(data.len() as u64), 0);
                    content += data.len() as u64;
                    row
                }),
            ));
        }
        self.put_away(opener);
        let packed = if plain.is_empty() {
            Vec::new()
        } else {
            member::encode(&plain, self.job.level)
        };
        Packed::Batch {
            from,
            to,
            member,
            packed,
            plain: plain.len() as u64,
            found,
            content,
        }
    }
}

/// Cuts the entries into tasks, in order.
struct Feed<'a> {
    packer: &'a Packer<'a>,
    next: usize,
    member: u64,
    large: Option<Large>,
    over: bool,
}

impl<'a> Feed<'a> {
    fn new(packer: &'a Packer<'a>) -> Self {
        Self {
            packer,
            next: 0,
            member: 0,
            large: None,
            over: false,
        }
    }

    fn next(&mut self) -> Result<Option<Task>, CopyError> {
        if self.packer.job.watch.stop() {
            return Err(CopyError::Stopped);
        }
        if let Some(mut large) = self.large.take() {
            return self.go_on(&mut large).map(|(task, more)| {
                if more {
                    self.large = Some(large);
                }
                Some(task)
            });
        }
        let entries = self.packer.job.entries;
        let Some(entry) = entries.get(self.next) else {
            if self.over {
                return Ok(None);
            }
            self.over = true;
            return Ok(Some(Task::Trailer));
        };
        let alone = |at: usize, e: &Entry| {
            e.kind == Kind::File && intake::is_large(e) && self.packer.first_name(at, e).is_none()
        };
        if alone(self.next, entry) {
            let at = self.next;
            self.next += 1;
            let mut large = Large::new(at, self.member);
            return self.go_on(&mut large).map(|(task, more)| {
                if more {
                    self.large = Some(large);
                }
                Some(task)
            });
        }
        let from = self.next;
        let mut size = 0;
        while let Some(entry) = entries.get(self.next) {
            if size >= CUT as u64 || alone(self.next, entry) {
                break;
            }
            let content = if entry.kind == Kind::File && self.packer.first_name(self.next, entry).is_none() {
                entry.identity.size + padding(entry.identity.size) as u64
            } else {
                0
            };
            size += 512 + content;
            self.next += 1;
        }
        let member = self.member;
        self.member += 1;
        Ok(Some(Task::Batch {
            from,
            to: self.next,
            member,
        }))
    }

    /// The next task of a large file, and whether there are more.
    fn go_on(&mut self, large: &mut Large) -> Result<(Task, bool), CopyError> {
        match large.step(self.packer) {
            Ok(Step::Piece(piece)) => {
                self.member += 1;
                let more = piece.row.is_none();
                Ok((Task::Piece(piece), more))
            }
            Ok(Step::Again) => {
                self.member = large.member;
                Ok((Task::Rollback, true))
            }
            Err(Some(why)) => {
                self.member = large.member;
                Ok((Task::Lost { at: large.at, why }, false))
            }
            Err(None) => Err(CopyError::Stopped),
        }
    }
}

/// A large file being read.
struct Large {
    at: usize,
    member: u64,
    tries: u32,
    reading: Option<Reading>,
}

struct Reading {
    file: File,
    row: Row,
    fresh: bool,
    hash: Sha256,
    segments: Vec<(u64, u64)>,
    /// Index into the segments and position in that one.
    place: (usize, u64),
    hashed: u64,
    torn: bool,
    begun: bool,
}

enum Step {
    Piece(Piece),
    Again,
}

impl Large {
    fn new(at: usize, member: u64) -> Self {
        Self {
            at,
            member,
            tries: 0,
            reading: None,
        }
    }

    /// Reads one piece. `Err(None)` is the order to stop.
    fn step(&mut self, packer: &Packer<'_>) -> Result<Step, Option<Absent>> {
        let entry = packer.job.entries.get(self.at).ok_or(Some(Absent::Vanished))?;
        let mut plain = Vec::with_capacity(CUT + 2048);
        if self.reading.is_none() {
            let mut opener = packer.opener();
            let opened = intake::open(&mut opener, entry, packer.granule);
            packer.put_away(opener);
            self.reading = Some(Reading::begin(opened.map_err(Some)?, self.member, &mut plain));
        }
        let Some(reading) = &mut self.reading else {
            return Err(Some(Absent::Vanished));
        };
        let before = plain.len();
        let whole = reading
            .fill(&mut plain, packer.job.watch)
            .map_err(|e| e.map(Absent::from))?;
        if reading.torn && self.tries < AGAIN {
            self.tries += 1;
            self.reading = None;
            return Ok(Step::Again);
        }
        let first = !std::mem::replace(&mut reading.begun, true);
        let content = (plain.len() - before) as u64;
        let row = if whole {
            let calm = intake::unchanged(&reading.file, &reading.row.identity()) && !reading.torn;
            if !calm && self.tries < AGAIN {
                self.tries += 1;
                self.reading = None;
                return Ok(Step::Again);
            }
            let mut row = reading.row.clone();
            row.sha256 = Some(hex(&reading.hash.clone().finalize()));
            row.state = if calm { RowState::Ok } else { RowState::Torn };
            row.fresh = reading.fresh;
            plain.resize(plain.len() + padding(row.stored()), 0);
            Some(Box::new(row))
        } else {
            None
        };
        Ok(Step::Piece(Piece {
            plain,
            first,
            row,
            content,
        }))
    }
}

impl Reading {
    fn begin(opened: intake::Opened, member: u64, plain: &mut Vec<u8>) -> Self {
        let fresh = opened.is_fresh();
        let intake::Opened { file, mut row, .. } = opened;
        row.sparse = intake::segments(&file, row.size);
        row.member = member;
        row.offset = 0;
        plain.extend_from_slice(&header_bytes(&row));
        let segments = row.sparse.clone().unwrap_or_else(|| vec![(0, row.size)]);
        Self {
            file,
            row,
            fresh,
            hash: Sha256::new(),
            segments,
            place: (0, 0),
            hashed: 0,
            torn: false,
            begun: false,
        }
    }

    /// Reads up to one member's worth; says whether the file is whole now.
    fn fill(&mut self, plain: &mut Vec<u8>, watch: &dyn Watch) -> Result<bool, Option<std::io::Error>> {
        while let Some((offset, length)) = self.segments.get(self.place.0).copied() {
            self.skip_hole(offset, watch).ok_or(None)?;
            let left = length - self.place.1;
            let room = CUT.saturating_sub(plain.len()) as u64;
            if left > 0 && room == 0 {
                return Ok(false);
            }
            let take = usize::try_from(left.min(room)).unwrap_or(CUT);
            let start = plain.len();
            plain.resize(start + take, 0);
            let got = match plain.get_mut(start..) {
                Some(buffer) => intake::read_full(&self.file, buffer, offset + self.place.1).map_err(Some)?,
                None => 0,
            };
            // A file that shrank is filled up with zeros: what was announced must come.
            self.torn |= got < take;
            self.hash.update(plain.get(start..).unwrap_or_default());
            self.hashed += take as u64;
            self.place.1 += take as u64;
            if self.place.1 == length {
                self.place = (self.place.0 + 1, 0);
            }
        }
        self.skip_hole(self.row.size, watch).ok_or(None)?;
        Ok(true)
    }

    /// Hashes zeros up to `offset`. `None` is the order to stop.
    fn skip_hole(&mut self, offset: u64, watch: &dyn Watch) -> Option<()> {
        static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];
        while self.hashed < offset {
            if watch.stop() {
                return None;
            }
            let n = usize::try_from(offset - self.hashed)
                .unwrap_or(usize::MAX)
                .min(ZEROS.len());
            self.hash.update(ZEROS.get(..n)?);
            self.hashed += n as u64;
        }
        Some(())
    }
}

/// Writes members in order.
struct Sink<'a> {
    packer: &'a Packer<'a>,
    archive: Draft,
    list: ListWriter,
    members: Vec<Member>,
    at: u64,
    hash: Sha256,
    checkpoint: Option<(u64, usize, Sha256)>,
    /// By index of a first name: the state and hash under which it was stored.
    stored: HashMap<usize, (Identity, Row)>,
    incomplete: Vec<Incomplete>,
    incomplete_total: u64,
    torn: Vec<RelPath>,
    vanished: u64,
}

impl Sink<'_> {
    fn take(&mut self, done: Packed) -> Result<(), CopyError> {
        match done {
            Packed::Batch {
                from,
                to,
                member,
                packed,
                plain,
                found,
                content,
            } => self.batch(from, to, member, packed, plain, found, content),
            Packed::Piece {
                packed,
                plain,
                first,
                row,
                content,
            } => {
                if first {
                    self.checkpoint = Some((self.at, self.members.len(), self.hash.clone()));
                }
                self.append(&packed, plain)?;
                if let Some(row) = row {
                    self.checkpoint = None;
                    let at = self.packer.links.get(&(row.dev, row.ino)).copied();
                    self.row(at, &row)?;
                    self.packer.job.watch.advance(1, content);
                } else {
                    self.packer.job.watch.advance(0, content);
                }
                Ok(())
            }
            Packed::Rollback => self.roll_back(),
            Packed::Lost { at, why } => {
                self.roll_back()?;
                self.absent(at, why);
                Ok(())
            }
            Packed::Trailer { packed } => self.append(&packed, TRAILER.len() as u64),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one variant")]
    fn batch(
        &mut self,
        from: usize,
        to: usize,
        member: u64,
        packed: Vec<u8>,
        plain: u64,
        mut found: Vec<(usize, Result<Row, Absent>)>,
        content: u64,
    ) -> Result<(), CopyError> {
        if found.len() < to - from {
            return Err(CopyError::Stopped);
        }
        let mut packed = (packed, plain, content);
        // A link whose file was not stored, or not in this state, becomes a file of its own. Rare; done here,
        // where all that comes before is known.
        let mut whole = HashSet::new();
        loop {
            let mut batch_firsts: HashMap<usize, (Identity, Row)> = HashMap::new();
            let mut wrong = Vec::new();
            for (at, result) in &mut found {
                let Ok(row) = result else { continue };
                let id = (row.dev, row.ino);
                if row.link.is_some() && row.kind == super::row::RowKind::Hardlink {
                    let first = self.packer.links.get(&id).copied();
                    let known = first.and_then(|f| self.stored.get(&f).or_else(|| batch_firsts.get(&f)));
                    match known {
                        Some((identity, file)) if *identity == row.identity() => {
                            row.sha256.clone_from(&file.sha256);
                            row.state = file.state;
                            row.fresh = file.fresh;
                        }
                        _ => wrong.push(*at),
                    }
                } else if self.packer.links.get(&id) == Some(at) {
                    batch_firsts.insert(*at, (row.identity(), row.clone()));
                }
            }
            if wrong.is_empty() {
                break;
            }
            whole.extend(wrong);
            let Packed::Batch {
                packed: again,
                plain,
                found: refound,
                content,
                ..
            } = self.packer.batch(from, to, member, &whole)
            else {
                return Err(CopyError::Stopped);
            };
            if refound.len() < to - from {
                return Err(CopyError::Stopped);
            }
            packed = (again, plain, content);
            found = refound;
        }
        // A member is announced for every batch, so an empty one is written as an empty member.
        let (bytes, plain, content) = packed;
        let bytes = if bytes.is_empty() {
            member::encode(&[], self.packer.job.level)
        } else {
            bytes
        };
        self.append(&bytes, plain)?;
        let files = found.len() as u64;
        for (at, result) in found {
            match result {
                Ok(row) => self.row(Some(at), &row)?,
                Err(why) => self.absent(at, why),
            }
        }
        self.packer.job.watch.advance(files, content);
        Ok(())
    }

    fn row(&mut self, at: Option<usize>, row: &Row) -> Result<(), CopyError> {
        if row.is_torn() && self.torn.len() < 20 {
            self.torn.push(row.path.clone());
        }
        if let Some(at) = at
            && row.nlink > 1
            && self.packer.links.get(&(row.dev, row.ino)) == Some(&at)
        {
            self.stored.insert(at, (row.identity(), row.clone()));
        }
        self.list.push(row)
    }

    fn append(&mut self, packed: &[u8], plain: u64) -> Result<(), CopyError> {
        let name = self.archive.temp_name();
        self.archive
            .file()
            .write_all(packed)
            .map_err(|e| CopyError::io("write", &name, e))?;
        self.hash.update(packed);
        self.members.push(Member(self.at, packed.len() as u64, plain));
        self.at += packed.len() as u64;
        Ok(())
    }

    fn roll_back(&mut self) -> Result<(), CopyError> {
        if let Some((at, members, hash)) = self.checkpoint.take() {
            self.archive.truncate(at)?;
            self.at = at;
            self.members.truncate(members);
            self.hash = hash;
        }
        Ok(())
    }

    fn absent(&mut self, at: usize, why: Absent) {
        let path = self.packer.job.entries.get(at).map(|entry| entry.path.clone());
        match why {
            Absent::Vanished | Absent::Special => self.vanished += 1,
            Absent::Unreadable(why) => self.miss(path, why),
        }
    }

    fn miss(&mut self, path: Option<RelPath>, why: String) {
        self.incomplete_total += 1;
        if self.incomplete.len() < NAMED {
            self.incomplete.push(Incomplete { path, why });
        }
    }

    fn finish(mut self) -> Result<Written, CopyError> {
        self.archive.sync()?;
        let ListDone {
            draft: list,
            members: list_members,
            size: list_bytes,
            checksum: list_checksum,
            rows,
            files,
            bytes,
            torn,
        } = self.list.finish()?;
        let job = self.packer.job;
        let about = job.about.clone();
        let manifest = Manifest {
            format: FORMAT,
            tool: format!("opsrun {}", env!("CARGO_PKG_VERSION")),
            ops_name: about.ops_name,
            host: about.host,
            backup_id: job.name.backup().to_owned(),
            run: about.run,
            sequence: about.sequence,
            parent: about.parent,
            source_fs_uuid: about.source_fs_uuid,
            encryption: None,
            backup_at: about.backup_at,
            source: Bytes::new(about.source.as_os_str().as_bytes()),
            source_files: about.source_files,
            contents: about.contents,
            archive_name: job.name.archive(),
            archive_bytes: self.at,
            checksum: hex(&self.hash.finalize()),
            list_name: job.name.list(),
            list_bytes,
            list_checksum,
            record_count: rows,
            files,
            bytes,
            torn,
            complete: self.incomplete_total == 0,
            incomplete_total: self.incomplete_total,
            incomplete: self.incomplete,
            suspect: about.suspect,
            members: self.members,
            list_members,
            self_checksum: String::new(),
        };
        let mut manifest_file = Draft::create(job.destination, &job.name.manifest())?;
        let name = manifest_file.temp_name();
        let text = manifest.to_bytes();
        manifest_file
            .file()
            .write_all(&text)
            .map_err(|e| CopyError::io("write", &name, e))?;
        manifest_file.sync()?;
        // With its own checksum filled in.
        let manifest = Manifest::from_bytes(&text, &name)?;
        let mut remarks: Vec<String> = self
            .torn
            .iter()
            .map(|path| format!("`{path}` changed each time it was read: stored, but no proof for a deletion"))
            .collect();
        if torn > self.torn.len() as u64 {
            remarks.push(format!(
                "{} more files changed each time they were read",
                torn - self.torn.len() as u64
            ));
        }
        if self.vanished > 0 {
            remarks.push(format!(
                "{} gone or replaced since the listing",
                crate::units::plural(self.vanished, "entry was", "entries were")
            ));
        }
        Ok(Written {
            name: job.name.clone(),
            destination: job.destination.try_clone()?,
            archive: self.archive,
            list,
            manifest_file,
            manifest,
            remarks,
        })
    }
}
