//! A small world: an ops file, and what was found where it points.

use opsrun::archive::Writer;
use opsrun::config;
use opsrun::entry::{Entry, EntryKind, Identity};
use opsrun::model::Model;
use opsrun::model::retention::{Circumstances, decide};
use opsrun::path::RelPath;
use opsrun::plan::facts::{
    BackupFacts, CopyFacts, Destination, DestinationState, PlanFacts, Scan, SizeRecord, SourceSize, WriterStanding,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const FILE: &str = r#"
ops version=1 {
    name "observer"
    timezone "Asia/Seoul"
}
backup "observer" {
    source "/srv/observer/data"
    exclude "tmp/**"
    to "/backup/observer"
    contents "expired"
    keep deleted="2y"
}
retention "observer" backup="observer" {
    class "decision" keyword="decision" keep="forever"
    class "pattern" keyword="pattern" keep="30d"
    class "raw" "raw/**" keep="7d" keep-newest=1
    exclude "log/**"
    max-delete files=50000 bytes="200GiB" share="90%"
}
retention "logs" backup="observer" {
    class "log" "log/*.log" keep="14d"
    max-delete share="100%"
}
"#;

const DAY: i128 = 86_400 * 1_000_000_000;

pub struct World {
    pub model: Model,
    pub facts: PlanFacts,
}

impl World {
    /// Classes that overlap, odd names, odd times, a held file, an older copy that covers one.
    pub fn observer() -> Self {
        let loaded = config::load_text(Path::new("/etc/opsrun/observer.kdl"), FILE.as_bytes().to_vec());
        let findings = loaded.render(false, 100);
        let model = loaded.model.expect(&findings);
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let now_ns = opsrun::clock::nanos(now);
        let mut entries: Vec<Entry> = [
            (&b"log"[..], EntryKind::Dir, 1, 0),
            (b"log/a.log", EntryKind::File, 20, 300),
            (b"notes.txt", EntryKind::File, 400, 10),
            (b"raw", EntryKind::Dir, 1, 0),
            (b"raw/a-1.jsonl", EntryKind::File, 20, 1_000_000),
            (b"raw/a-2.jsonl", EntryKind::File, 10, 2_000_000),
            (b"raw/a-3.jsonl", EntryKind::File, 9, 500),
            (b"raw/a-4.jsonl", EntryKind::File, 8, 500),
            (b"raw/decision-20260901.jsonl", EntryKind::File, 83, 700),
            (b"raw/future.jsonl", EntryKind::File, -1, 5),
            (b"raw/held.jsonl", EntryKind::File, 40, 5),
            (b"raw/link", EntryKind::Symlink, 40, 5),
            (b"raw/odd\nname\x9f.jsonl", EntryKind::File, 12, 77),
            (b"raw/pattern-1.jsonl", EntryKind::File, 31, 600),
            (b"raw/pattern-2.jsonl", EntryKind::File, 10, 600),
            (b"raw/young.jsonl", EntryKind::File, 1, 9),
            (b"tmp", EntryKind::Dir, 1, 0),
            (b"tmp/pattern.jsonl", EntryKind::File, 99, 3),
        ]
        .into_iter()
        .enumerate()
        .map(|(at, (path, kind, days, size))| Entry {
            path: RelPath::new(path).unwrap(),
            kind,
            mode: 0o644,
            uid: 1000,
            gid: 1000,
            nlink: 1,
            blocks: 8,
            identity: Identity {
                dev: 1,
                ino: 100 + at as u64,
                size,
                mtime_ns: now_ns - days * DAY,
                ctime_ns: now_ns - DAY,
            },
        })
        .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let older = CopyFacts {
            name: "observer-20261122T120000Z-01JD2".to_owned(),
            sequence: 41,
            at: "2026-11-22T12:00:00Z".parse().unwrap(),
            suspect: None,
            shareable: false,
            records: 9,
            bytes: 40_960,
            source: SizeRecord::Selected(SourceSize {
                files: 15,
                bytes: 2_000_000,
            }),
            left_out: None,
            deleted: 4,
            deleted_at: BTreeMap::new(),
            archive_bytes: 4096,
        };
        let covered = entries
            .iter()
            .position(|e| e.path.as_bytes() == b"raw/a-2.jsonl")
            .unwrap();
        let scan = Scan {
            entries,
            selected: SourceSize {
                files: 15,
                bytes: 3_003_000,
            },
            mounts: vec![RelPath::new(b"mnt").unwrap()],
            ..Scan::default()
        };
        let found = BackupFacts {
            source: Ok(Arc::new(scan)),
            destination: Destination {
                state: DestinationState::Marked {
                    ops: "observer".to_owned(),
                    expected: true,
                    standing: WriterStanding::Listed,
                },
                ops: "observer".to_owned(),
                known: true,
                free: Some(500 << 30),
                same_file_system: true,
                unmounted: false,
                abilities: None,
                unwritable: None,
                copies: vec![older],
                broken: Vec::new(),
                highest_sequence: 41,
            },
            located: BTreeMap::from([(covered, 0)]),
            unclear: None,
            deleted_bytes: 0,
            emptied: Vec::new(),
        };
        let facts = PlanFacts {
            now,
            clock: now,
            host: "box".to_owned(),
            writer: Writer::default(),
            uid: 1000,
            may_lease_all: false,
            backups: BTreeMap::from([("observer".to_owned(), found)]),
            verdicts: BTreeMap::new(),
        };
        Self { model, facts }.decided()
    }

    /// Nothing is old enough.
    pub fn quiet(mut self) -> Self {
        let young = opsrun::clock::nanos(self.facts.now) - DAY;
        self.change(|scan| {
            for entry in &mut scan.entries {
                entry.identity.mtime_ns = young;
            }
        });
        self.found().located.clear();
        self.decided()
    }

    /// The source cannot be listed.
    pub fn unlisted(mut self) -> Self {
        self.found().source = Err("permission denied".to_owned().into());
        self.found().located.clear();
        self.facts.verdicts.clear();
        self
    }

    /// With checks and targets before and beside the backup, of every kind and with every setting.
    pub fn busy(mut self) -> Self {
        let checks = super::jobs::checks();
        let targets = super::jobs::targets();
        self.model.backups[0].job.needs = vec!["check:disk".parse().unwrap(), "target:flush".parse().unwrap()];
        (self.model.checks, self.model.targets) = (checks, targets);
        self
    }

    fn found(&mut self) -> &mut BackupFacts {
        self.facts.backups.get_mut("observer").unwrap()
    }

    fn change(&mut self, how: impl FnOnce(&mut Scan)) {
        let found = self.found();
        let mut scan = Scan::clone(found.source.as_ref().unwrap());
        how(&mut scan);
        found.source = Ok(Arc::new(scan));
    }

    fn decided(mut self) -> Self {
        let scan = Arc::clone(self.found().source.as_ref().unwrap());
        for retention in &self.model.retentions {
            let about = Circumstances {
                now_ns: opsrun::clock::nanos(self.facts.now),
                covered: &self.model.backups[0].select,
                held: &|path| path.as_bytes() == b"raw/held.jsonl",
                protected: &|_| false,
            };
            let verdicts = decide(retention, &scan.entries, &about);
            self.facts.verdicts.insert(retention.name.clone(), verdicts);
        }
        self
    }
}
