//! Ages of files and free space, on this machine's file systems.

use super::{LONG, block_on, expect, none};
use opsrun::exec::action::check::{answer::capped, disk_space, file_age};
use opsrun::model::check::{Levels, Space, Worst};
use opsrun::run::{Outcome, State};
use opsrun::signal::Stop;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

fn age(path: &Path) -> Outcome {
    let levels = Levels {
        warn: Some(Duration::from_secs(3_600)),
        critical: Some(Duration::from_secs(7_200)),
    };
    block_on(file_age::probe(path, &levels, LONG, &Stop::new().unwrap()))
}

fn written(path: &Path, ago: Duration) {
    let at = std::time::SystemTime::from(opsrun::clock::now()) - ago;
    File::open(path).unwrap().set_modified(at).unwrap();
}

#[test]
fn files_and_directories_have_an_age() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("beat");
    File::create(&file).unwrap();
    assert_eq!(age(&file).state, State::Ok);
    assert_eq!(age(dir.path()).state, State::Ok);

    written(&file, Duration::from_secs(3_700));
    expect(&age(&file), State::Warning, "1h1m old, warning from 1h");
    written(&file, Duration::from_secs(86_400 * 3 + 7_300));
    expect(&age(&file), State::Critical, "3d2h old, critical from 2h");

    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    expect(&age(&link), State::Critical, "3d2h old");
}

#[test]
fn what_is_missing_is_critical_and_the_future_unknown() {
    let dir = tempfile::tempdir().unwrap();
    expect(&age(&dir.path().join("none")), State::Critical, "/none` does not exist");
    let file = dir.path().join("file");
    File::create(&file).unwrap();
    expect(&age(&file.join("below")), State::Critical, "/below` does not exist");
    let dangling = dir.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    expect(&age(&dangling), State::Critical, "does not exist");
    let circle = dir.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    expect(&age(&circle), State::Unknown, "cannot look at");

    let ahead = std::time::SystemTime::from(opsrun::clock::now()) + Duration::from_secs(7_300);
    File::open(&file).unwrap().set_modified(ahead).unwrap();
    expect(&age(&file), State::Unknown, "is in the future, by 2h");
}

#[test]
fn free_space_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let ask = |path: &Path, critical| {
        let levels = Levels {
            warn: None,
            critical: Some(critical),
        };
        block_on(disk_space::probe(path, &levels, LONG, &Stop::new().unwrap()))
    };
    expect(&ask(dir.path(), Space::Bytes(1)), State::Ok, "% free (");
    expect(
        &ask(dir.path(), Space::Bytes(u64::MAX)),
        State::Critical,
        ", critical below 16.0 EiB",
    );
    expect(
        &ask(&dir.path().join("none"), Space::Percent(1)),
        State::Critical,
        "/none` does not exist",
    );
    expect(
        &ask(Path::new("/proc"), Space::Percent(1)),
        State::Unknown,
        "`/proc` has no size",
    );
}

#[test]
fn a_stop_ends_a_probe_at_once() {
    let stop = Stop::new().unwrap();
    stop.ask();
    let outcome = block_on(file_age::probe(Path::new("/"), &none(), LONG, &stop));
    expect(&outcome, State::Interrupted, "stopped");
    let outcome = block_on(disk_space::probe(Path::new("/"), &none(), LONG, &stop));
    expect(&outcome, State::Interrupted, "stopped");
}

#[test]
fn severity_turns_critical_into_a_warning_and_nothing_else() {
    let missing = || age(Path::new("/no/such/file"));
    assert_eq!(capped(missing(), Worst::Critical).state, State::Critical);
    assert_eq!(capped(missing(), Worst::Warning).state, State::Warning);
    let unknown = Outcome {
        state: State::Unknown,
        ..missing()
    };
    assert_eq!(capped(unknown, Worst::Warning).state, State::Unknown);
}
