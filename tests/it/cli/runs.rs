//! Whole runs through the program: plan, apply, list, verify, restore on a small tree.

use super::{Place, exit, told};
use crate::support::workspace::{OPSRUN, run_with_input};
use serde_json::Value;
use std::process::Output;
use std::time::{Duration, SystemTime};

const FILE: &str = r#"
backup "data" {
    source "data"
    to "backup"
    contents "expired"
    keep deleted="2y"
}
retention "data" backup="data" {
    class "raw" "raw/**" keep="7d"
    max-delete files=1000
}
"#;

/// Ten files, of one day to ten days of age: four have expired.
#[expect(clippy::disallowed_methods, reason = "a test makes files of an age")]
fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.path().join("ops.kdl"), FILE).unwrap();
    let raw = place.path().join("data/raw");
    std::fs::create_dir_all(&raw).unwrap();
    std::fs::create_dir(place.path().join("backup")).unwrap();
    for days in 1..=10_u64 {
        let file = std::fs::File::create(raw.join(format!("f{days}"))).unwrap();
        std::io::Write::write_all(&mut &file, format!("content {days}").as_bytes()).unwrap();
        let age = Duration::from_secs(days * 86_400 + 60);
        file.set_modified(SystemTime::now() - age).unwrap();
    }
    place
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_plan_touches_nothing() {
    let place = place();
    let text = stdout(&place.run(&["plan"]));
    assert!(
        text.starts_with("will copy 4 files (37 B), then delete 4 files (37 B)\n"),
        "{text}"
    );
    assert_eq!(exit(&place.run(&["plan", "--detailed-exitcode"])), 2);
    assert_eq!(json(&place.run(&["plan", "--json"]))["totals"]["delete_files"], 4);
    let later = stdout(&place.run(&["plan", "--at", "2999-01-01"]));
    assert!(later.starts_with("will copy 10 files"), "{later}");
    assert!(!place.path().join(".opsrun").exists());
    assert_eq!(std::fs::read_dir(place.path().join("backup")).unwrap().count(), 0);
}

#[test]
fn what_apply_deletes_can_be_restored() {
    let place = place();
    let applied = place.run(&["apply"]);
    assert_eq!(exit(&applied), 0, "{}", told(&applied));
    let raw = place.path().join("data/raw");
    assert!(!raw.join("f10").exists() && raw.join("f6").exists());
    assert_eq!(exit(&place.run(&["plan", "--detailed-exitcode"])), 0);

    let list = json(&place.run(&["list", "--json"]));
    assert_eq!(
        (&list["copies"][0]["state"], &list["copies"][0]["deleted"]),
        (&"complete".into(), &4.into())
    );
    assert_eq!(json(&place.run(&["list", "--from", "backup", "--json"])), list);
    assert!(stdout(&place.run(&["verify"])).ends_with("1 copy intact\n"));

    let restored = place.run(&["restore", "raw/f10"]);
    assert_eq!(exit(&restored), 0, "{}", told(&restored));
    assert_eq!(std::fs::read_to_string(raw.join("f10")).unwrap(), "content 10");
    // It is on hold, so it is not deleted again.
    assert_eq!(exit(&place.run(&["plan", "--detailed-exitcode"])), 0);

    assert_eq!(exit(&place.run(&["restore", "--from", "backup", "--to", "out"])), 0);
    std::fs::write(place.path().join("out/raw/f9"), "other").unwrap();
    let left = place.run(&["restore", "--from", "backup", "--to", "out"]);
    assert_eq!(exit(&left), 4, "{}", told(&left));
    assert_eq!(
        std::fs::read_to_string(place.path().join("out/raw/f9")).unwrap(),
        "other"
    );
    assert_eq!(
        exit(&place.run(&["restore", "--from", "backup", "--to", "out", "--force"])),
        0
    );
    assert_eq!(
        std::fs::read_to_string(place.path().join("out/raw/f9")).unwrap(),
        "content 9"
    );
}

#[test]
fn damage_is_found_and_ends_with_1() {
    let place = place();
    assert_eq!(exit(&place.run(&["apply", "--yes", "--quiet"])), 0);
    let archive = std::fs::read_dir(place.path().join("backup"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().ends_with(".tar.gz"))
        .unwrap();
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let output = place.run(&["verify"]);
    assert_eq!(exit(&output), 1, "{}", told(&output));
    assert!(stdout(&output).starts_with("damaged"), "{}", told(&output));
}

#[test]
fn events_are_json_lines() {
    let place = place();
    let output = place.run(&["apply", "--json", "--quiet"]);
    assert!(output.stderr.is_empty(), "{}", told(&output));
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["format"], 1);
    assert_eq!(lines[1]["event"], "run-started");
    assert_eq!(lines[lines.len() - 1]["event"], "run-finished");
}

#[test]
fn a_job_that_is_not_there_is_a_usage_error() {
    let place = place();
    let output = place.run(&["plan", "--only", "retention:dta"]);
    assert_eq!(
        told(&output),
        "exit: 64\n--- stdout\n--- stderr\nerror: `--only retention:dta` selects no job\n  help: the jobs are backup:data, retention:data\n"
    );
}

#[test]
fn a_state_that_cannot_be_written_ends_with_73() {
    let place = place();
    let output = place.run(&["apply", "--state-dir", "/proc/opsrun"]);
    assert_eq!(exit(&output), 73, "{}", told(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/proc/opsrun"));
    assert!(place.path().join("data/raw/f10").exists());
    let output = place
        .command(&["plan"])
        .env("OPSRUN_STATE_DIR", "elsewhere")
        .output()
        .unwrap();
    assert_eq!(exit(&output), 0, "{}", told(&output));
}

#[test]
fn a_destination_that_was_lost_is_refused() {
    let place = place();
    assert_eq!(exit(&place.run(&["apply", "--yes"])), 0);
    std::fs::File::open(place.path().join("data/raw/f6"))
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
        .unwrap();
    let backup = place.path().join("backup");
    #[expect(clippy::disallowed_methods, reason = "a test takes the disk away")]
    std::fs::rename(&backup, place.path().join("unplugged")).unwrap();
    std::fs::create_dir(&backup).unwrap();
    let output = place.run(&["apply"]);
    assert_eq!(exit(&output), 3, "{}", told(&output));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("--accept-destination"),
        "{}",
        told(&output)
    );
    assert_eq!(exit(&place.run(&["plan", "--detailed-exitcode"])), 3);
    assert!(place.path().join("data/raw/f6").exists());
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Two backups, whose sources hold a name in common; everything was copied.
fn two_backups() -> Place {
    let place = Place::new();
    let file = r#"
backup "one" {
    source "one"
    to "backup/one"
    contents "all"
    keep last=2
}
backup "two" {
    source "two"
    to "backup/two"
    contents "all"
    keep last=2
}
"#;
    std::fs::write(place.path().join("ops.kdl"), file).unwrap();
    for name in ["one", "two", "backup/one", "backup/two"] {
        std::fs::create_dir_all(place.path().join(name)).unwrap();
    }
    for name in ["one", "two"] {
        std::fs::write(place.path().join(name).join("same"), name).unwrap();
        std::fs::write(place.path().join(name).join(name), name).unwrap();
    }
    let applied = place.run(&["apply"]);
    assert_eq!(exit(&applied), 0, "{}", told(&applied));
    place
}

#[test]
fn a_path_that_no_copy_holds_is_said() {
    let place = place();
    assert_eq!(exit(&place.run(&["apply"])), 0);
    let output = place.run(&["restore", "raw/f10", "nope", "raw/x*", "raw/f9*", "--to", "out"]);
    assert_eq!(exit(&output), 1, "{}", told(&output));
    assert!(
        stderr(&output).contains("error: no copy contains `nope`, `raw/x*`\n"),
        "{}",
        told(&output)
    );
    assert!(place.path().join("out/raw/f10").exists() && place.path().join("out/raw/f9").exists());
    assert_eq!(exit(&place.run(&["restore", "nope"])), 1);
}

#[test]
fn holds_are_set_on_what_is_restored_only() {
    let place = place();
    assert_eq!(exit(&place.run(&["apply"])), 0);
    let raw = place.path().join("data/raw");
    std::fs::write(raw.join("f10"), "something else").unwrap();
    let old = std::fs::File::open(raw.join("f10")).unwrap();
    old.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
        .unwrap();
    let output = place.run(&["restore", "raw/f10", "raw/f9"]);
    assert_eq!(exit(&output), 4, "{}", told(&output));
    let totals = json(&place.run(&["plan", "--json"]));
    assert_eq!(totals["totals"]["delete_files"], 1, "{totals:#}");
}

#[test]
fn copies_of_several_backups_are_not_mixed() {
    let place = two_backups();
    for paths in [&["same"][..], &[]] {
        let output = place.run(&[&["restore", "--to", "out"], paths].concat());
        assert_eq!(exit(&output), 64, "{}", told(&output));
        assert!(
            stderr(&output).contains("name one with --backup: one, two"),
            "{}",
            told(&output)
        );
        assert!(!place.path().join("out").exists());
    }
    // Only one holds it, or only one is meant.
    assert_eq!(exit(&place.run(&["restore", "two", "--to", "out"])), 0);
    assert_eq!(exit(&place.run(&["restore", "--backup", "one", "--to", "out1"])), 0);
    assert_eq!(std::fs::read_to_string(place.path().join("out1/same")).unwrap(), "one");
    // An absolute path means one of the sources.
    let same = place.path().canonicalize().unwrap().join("one/same");
    let output = place.run(&["restore", same.to_str().unwrap(), "--to", "out2"]);
    assert_eq!(exit(&output), 0, "{}", told(&output));
    let output = place.run(&["restore", "/elsewhere/same", "--to", "out3"]);
    assert_eq!(exit(&output), 1, "{}", told(&output));
    assert!(!place.path().join("out3").exists());
}

#[test]
fn nothing_is_restored_into_a_destination() {
    let place = two_backups();
    std::os::unix::fs::symlink("backup/two", place.path().join("alias")).unwrap();
    for to in ["backup/one", "backup/one/new/deep", "alias/new", "beside"] {
        let output = place.run(&["restore", "--backup", "one", "--to", to]);
        assert_eq!(
            exit(&output),
            if to == "beside" { 0 } else { 64 },
            "{to}: {}",
            told(&output)
        );
    }
    assert!(!place.path().join("backup/one/new").exists());
    let output = place.run(&["restore", "--from", "backup/one", "--to", "backup/one"]);
    assert_eq!(exit(&output), 64, "{}", told(&output));
}

#[test]
fn odd_names_and_links_come_back() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    std::fs::write(
        place.path().join("ops.kdl"),
        FILE.replace("\"expired\"", "\"all\"")
            .replace("max-delete", "max-delete share=\"100%\""),
    )
    .unwrap();
    let raw = place.path().join("data/raw");
    std::fs::create_dir_all(&raw).unwrap();
    std::fs::create_dir(place.path().join("backup")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff\n\\");
    std::fs::write(raw.join(odd), "odd").unwrap();
    std::fs::write(raw.join("lit\\n"), "literal").unwrap();
    std::os::unix::fs::symlink("nowhere", raw.join("link")).unwrap();
    let applied = place.run(&["apply", "--only", "backup:data"]);
    assert_eq!(exit(&applied), 0, "{}", told(&applied));

    let path = [b"raw/", odd.as_bytes()].concat();
    let output = place
        .command(&["restore", "--to", "out1"])
        .arg(std::ffi::OsStr::from_bytes(&path))
        .output()
        .unwrap();
    assert_eq!(exit(&output), 0, "{}", told(&output));
    let output = place.run(&["restore", "--to", "out2", "raw/odd\\xff\\n\\\\", "raw/lit\\n"]);
    assert_eq!(exit(&output), 0, "{}", told(&output));
    assert!(place.path().join("out1/raw").join(odd).exists());
    assert!(place.path().join("out2/raw").join(odd).exists());
    assert!(place.path().join("out2/raw/lit\\n").exists());

    for said in [
        "1 link restored (0 B)",
        "1 path already exists with the same content in ",
    ] {
        let output = place.run(&["restore", "--to", "out3", "raw/link"]);
        assert_eq!(exit(&output), 0, "{}", told(&output));
        assert!(stderr(&output).contains(said), "{}", told(&output));
    }
}

#[test]
fn a_copy_of_what_expired_is_said_to_be_one() {
    let place = place();
    assert_eq!(exit(&place.run(&["apply"])), 0);
    let output = place.run(&["restore", "--to", "out"]);
    assert!(stderr(&output).contains("opsrun restore '**'"), "{}", told(&output));
    let output = place.run(&["restore", "--to", "out", "**"]);
    assert_eq!(exit(&output), 0, "{}", told(&output));
    assert!(!stderr(&output).contains("note"), "{}", told(&output));
}

/// Exit code and output of a shell line at a terminal of its own, with `answer` typed.
#[expect(clippy::disallowed_methods, reason = "a test starts a terminal")]
fn at_a_terminal(place: &Place, line: &str, answer: &str) -> (i32, String) {
    let line = line.replace("opsrun", OPSRUN);
    let mut script = std::process::Command::new("script");
    script
        .args(["-qec", &line, "/dev/null"])
        .current_dir(place.path())
        .env_remove("OPSRUN_STATE_DIR");
    let output = run_with_input(&mut script, answer);
    (exit(&output), stdout(&output))
}

/// A manifest may come from another machine, or be forged: it does not decide where files are written.
#[test]
fn a_restore_goes_where_the_ops_file_says() {
    let place = place();
    assert_eq!(exit(&place.run(&["apply"])), 0);
    let (data, moved) = (place.path().join("data"), place.path().join("moved"));
    std::fs::rename(&data, &moved).unwrap();
    std::fs::write(
        place.path().join("ops.kdl"),
        FILE.replace("source \"data\"", "source \"moved\""),
    )
    .unwrap();
    for args in [&["restore"][..], &["restore", "raw/f10", "--force"]] {
        let output = place.run(args);
        assert_eq!(exit(&output), 3, "{}", told(&output));
        let said = stderr(&output);
        assert!(said.contains("was made of `") && said.contains("--to"), "{said}");
    }
    let (code, said) = at_a_terminal(&place, "opsrun restore raw/f10", "n\n");
    assert!(code == 3 && said.contains("Restore to"), "{said}");
    assert!(!data.exists() && !moved.join("raw/f10").exists());
    let (code, said) = at_a_terminal(&place, "opsrun restore raw/f10", "y\n");
    assert_eq!(code, 0, "{said}");
    assert!(!data.exists() && moved.join("raw/f10").exists());

    // Without an ops file nothing says where; an absolute path may name the old source all the same.
    let output = place.run(&["restore", "--from", "backup"]);
    assert_eq!(exit(&output), 3, "{}", told(&output));
    assert!(stderr(&output).contains("no ops file says where"), "{}", told(&output));
    assert!(!data.exists());
    let old = place.path().canonicalize().unwrap().join("data/raw/f9");
    let output = place.run(&["restore", old.to_str().unwrap(), "--to", "out"]);
    assert_eq!(exit(&output), 0, "{}", told(&output));
    assert!(place.path().join("out/raw/f9").exists());
}

/// An absolute path is below the source that each copy was made of, also after the source became another.
#[test]
fn an_absolute_path_means_the_same_file_in_every_copy() {
    let place = place();
    let all = |source: &str| {
        FILE.replace("\"expired\"", "\"all\"")
            .replace("source \"data\"", &format!("source \"{source}\""))
    };
    std::fs::write(place.path().join("ops.kdl"), all("data")).unwrap();
    std::fs::write(place.path().join("data/f1"), "top").unwrap();
    std::fs::write(place.path().join("data/raw/f1"), "deep").unwrap();
    let backup = || exit(&place.run(&["apply", "--only", "backup:data"]));
    assert_eq!(backup(), 0);
    std::fs::write(place.path().join("ops.kdl"), all("data/raw")).unwrap();
    let deep = place.path().canonicalize().unwrap().join("data/raw/f1");
    for out in ["before", "after"] {
        let output = place.run(&["restore", deep.to_str().unwrap(), "--to", out]);
        assert_eq!(exit(&output), 0, "{}", told(&output));
        let name = if out == "before" { "before/raw/f1" } else { "after/f1" };
        assert_eq!(std::fs::read_to_string(place.path().join(name)).unwrap(), "deep");
        assert_eq!(backup(), 0);
    }
}

#[test]
fn a_name_that_looks_like_a_pattern_is_a_name() {
    let place = place();
    std::fs::write(place.path().join("ops.kdl"), FILE.replace("\"expired\"", "\"all\"")).unwrap();
    let raw = place.path().join("data/raw");
    std::fs::create_dir(raw.join("d[ab]")).unwrap();
    for name in ["f[12]", "f?", "{f1,f2}", "*", "d[ab]/x"] {
        std::fs::write(raw.join(name), name).unwrap();
    }
    let applied = place.run(&["apply", "--only", "backup:data"]);
    assert_eq!(exit(&applied), 0, "{}", told(&applied));
    for (typed, names) in [
        ("raw/f[12]", &["f[12]"][..]),
        ("raw/f?", &["f?"]),
        ("raw/{f1,f2}", &["{f1,f2}"]),
        ("raw/*", &["*"]),
        ("raw/d[ab]/x", &["d[ab]"]),
        // These are no names.
        ("raw/f[13]", &["f1", "f3"]),
        ("raw/[{]f*", &["{f1,f2}"]),
    ] {
        let output = place.run(&["restore", "--to", "out", typed]);
        assert_eq!(exit(&output), 0, "{typed}: {}", told(&output));
        let out = place.path().join("out");
        let found = std::fs::read_dir(out.join("raw")).unwrap();
        let mut found: Vec<String> = found.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(found, names, "{typed}");
        std::fs::remove_dir_all(out).unwrap();
    }
}

#[test]
fn a_date_as_a_limit_is_its_whole_day() {
    let place = place();
    assert_eq!(exit(&place.run(&["apply"])), 0);
    let copies = json(&place.run(&["list", "--json"]));
    let made = copies["copies"][0]["at"].as_str().unwrap();
    let day: chrono::NaiveDate = made.get(..10).unwrap().parse().unwrap();
    let output = place.run(&["restore", "--to", "out", "--at", &day.pred_opt().unwrap().to_string()]);
    assert_eq!(exit(&output), 1, "{}", told(&output));
    assert!(stderr(&output).contains("(--at)"), "{}", told(&output));
    let output = place.run(&["restore", "--to", "out", "--at", &day.to_string()]);
    assert_eq!(exit(&output), 0, "{}", told(&output));
}

#[test]
fn who_sits_at_a_terminal_is_asked_wherever_stderr_goes() {
    let place = place();
    let f10 = place.path().join("data/raw/f10");
    let (_, said) = at_a_terminal(&place, "opsrun apply 2>log", "n\n");
    assert!(said.contains("Delete 4 files"), "{said}");
    assert!(f10.exists());
    let (exit, _) = at_a_terminal(&place, "setsid -w opsrun apply 2>log", "y\n");
    let log = std::fs::read_to_string(place.path().join("log")).unwrap();
    assert_eq!(exit, 64, "{log}");
    assert!(log.contains("help: use --yes"), "{log}");
    assert!(f10.exists());
    at_a_terminal(&place, "opsrun apply 2>log", "y\n");
    assert!(!f10.exists());
}

#[test]
fn an_empty_variable_is_not_set() {
    let place = place();
    let output = place.command(&["apply"]).env("OPSRUN_STATE_DIR", "").output().unwrap();
    assert_eq!(exit(&output), 0, "{}", told(&output));
    assert!(!place.path().join("data/raw/f10").exists());
    assert!(place.path().join(".opsrun").exists());
    let output = place.command(&["list"]).env("OPSRUN_STATE_DIR", "").output().unwrap();
    assert_eq!(exit(&output), 0, "{}", told(&output));
    assert_eq!(exit(&place.run(&["plan", "--state-dir", ""])), 64);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test takes the disk away")]
fn a_destination_that_is_gone_is_said() {
    let place = two_backups();
    let one = place.path().join("backup/one");
    std::fs::rename(&one, place.path().join("unplugged")).unwrap();
    for empty in [false, true] {
        if empty {
            // The directory that the disk was mounted at.
            std::fs::create_dir(&one).unwrap();
        }
        for command in ["list", "verify"] {
            let output = place.run(&[command]);
            assert_eq!(exit(&output), 1, "{}", told(&output));
            assert!(
                stderr(&output).contains("check that its disk is mounted") && stderr(&output).contains("backup:one"),
                "{}",
                told(&output)
            );
            assert!(stdout(&output).contains("two-"), "{}", told(&output));
            assert_eq!(exit(&place.run(&[command, "--backup", "two"])), 0);
        }
    }
    // Without a state nothing is remembered, and none is made.
    let output = place.run(&["list", "--state-dir", "no-state"]);
    assert_eq!(exit(&output), 0, "{}", told(&output));
    assert!(!place.path().join("no-state").exists());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test takes a manifest away")]
fn what_lies_beside_copies_is_said() {
    let place = two_backups();
    let file = |of: &str, end: &str| {
        let all = std::fs::read_dir(place.path().join("backup").join(of)).unwrap();
        let mut paths = all.map(|entry| entry.unwrap().path());
        paths.find(|path| path.to_str().unwrap().ends_with(end)).unwrap()
    };
    std::fs::remove_file(file("one", ".manifest.json")).unwrap();
    std::fs::write(place.path().join("backup/one/stray"), "").unwrap();
    let two = file("two", ".manifest.json");
    std::fs::write(&two, "{}").unwrap();
    // Named, it is found broken rather than not found.
    let output = place.run(&["verify", "--copy", two.to_str().unwrap()]);
    assert_eq!(exit(&output), 1, "{}", told(&output));
    assert!(stdout(&output).starts_with("damaged"), "{}", told(&output));
    for (command, code) in [("list", 0), ("verify", 1)] {
        let output = place.run(&[command]);
        assert_eq!(exit(&output), code, "{}", told(&output));
        for said in [
            "2 files without a manifest",
            "1 copy is broken: two-",
            "1 other file among",
        ] {
            assert!(stderr(&output).contains(said), "{}", told(&output));
        }
        assert!(place.run(&[command, "--quiet"]).stderr.is_empty());
    }
}

#[test]
fn copies_are_counted_and_named() {
    let place = place();
    assert_eq!(exit(&place.run(&["apply"])), 0);
    let list = json(&place.run(&["list", "--json"]));
    // Four files; the directory that holds them is none.
    assert_eq!(list["copies"][0]["files"], 4, "{list:#}");
    assert!(stdout(&place.run(&["list", "--from", "backup"])).contains("when (UTC)"));

    let copy = list["copies"][0]["copy"].as_str().unwrap();
    for name in [
        copy.to_owned(),
        format!("{copy}.tar.gz"),
        format!("backup/{copy}.manifest.json"),
    ] {
        for command in [&["verify"][..], &["restore", "--to", "out"]] {
            let output = place.run(&[command, &["--copy", &name]].concat());
            assert_eq!(exit(&output), 0, "{}", told(&output));
        }
    }
    for arguments in [
        &["verify", "--copy", "nope"][..],
        &["restore", "--copy", "nope"],
        &["list", "--backup", "nope"],
        &["verify", "--backup", "nope"],
        &["list", "--from", "backup", "--backup", "nope"],
    ] {
        let output = place.run(arguments);
        assert_eq!(exit(&output), 64, "{arguments:?}: {}", told(&output));
        assert!(stderr(&output).contains("nope"), "{}", told(&output));
    }
}
