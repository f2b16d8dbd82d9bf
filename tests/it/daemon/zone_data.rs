//! New zone files while the daemon runs.

use super::Serve;
use crate::support::clock::TestClock;
use crate::support::workspace::Workspace;
use crate::support::zones::zone_file;
use chrono::TimeDelta;
use std::fs;
use std::path::Path;

/// As a package manager does it: the new file takes the place of the old one.
fn install(dir: &Path, hours: i32, version: &str) {
    fs::create_dir_all(dir.join("Europe")).unwrap();
    let files = [
        ("Europe/Berlin", zone_file(hours)),
        ("tzdata.zi", format!("# version {version}\n").into_bytes()),
    ];
    for (name, bytes) in files {
        fs::write(dir.join("new"), bytes).unwrap();
        fs::rename(dir.join("new"), dir.join(name)).unwrap();
    }
}

#[test]
fn new_zone_files_are_read_without_a_restart() {
    let clock = TestClock::new(1, "2031-05-06T07:00:00Z".parse().unwrap());
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; timezone "Europe/Berlin"; }
        target "morning" { command "true"; cron "0 10 * * *"; }
        "#,
    );
    let zones = world.at("zones");
    install(&zones, 2, "2098z");
    let mut command = world.command(&["serve"]);
    command.env("TZDIR", &zones);
    clock.rule(&mut command);
    let mut serve = Serve::start(command);
    let line = serve.says("serving t: ");
    assert!(line.contains("time zones 2098z"), "{line}");

    // By the old data it would be due at 8:00 in UTC, by the new data it was at 7:00.
    install(&zones, 3, "2099z");
    while !serve.says("reloaded, serving t: ").contains("time zones 2099z") {}
    assert_eq!(world.count("SELECT count(*) FROM claims"), 0);
    clock.step(TimeDelta::hours(24));
    serve.says("ok        target:morning");

    // A file that cannot be used, and then none at all: the built-in data decide, and then those of this host.
    fs::write(zones.join("Europe/Berlin"), "TZif").unwrap();
    serve.says("it is damaged, or cut short");
    serve.says("reloaded, serving t: ");
    fs::rename(&zones, world.at("away")).unwrap();
    serve.says("the variable TZDIR does not name a directory of time zones");
    serve.says("reloaded, serving t: ");
    fs::rename(world.at("away"), &zones).unwrap();
    install(&zones, 4, "2100z");
    while !serve.says("reloaded, serving t: ").contains("time zones 2100z") {}
    serve.term();
    assert_eq!(
        world.rows("SELECT instant FROM claims"),
        ["2031-05-07T07:00:00.000000000Z"]
    );
}
