//! What a target prints, as a file: whole or not at all.

use crate::support::workspace::{Workspace, opsrun, output_of};
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn world(targets: &str) -> Workspace {
    Workspace::with_data(&format!("ops version=1 {{ name \"t\"; }}\n{targets}"))
}

#[test]
fn what_a_command_prints_becomes_a_file_and_nothing_is_taken_out() {
    let world = world(
        r#"
        target "plain" {
            shell "printf 'secret %s\\000\\377' \"$TOKEN\"; echo progress >&2"
            env "TOKEN" from-file="token"
            stdout "dumps/plain-{time}.sql"
        }
        target "gzip" { shell "seq 300000"; stdout "dumps/seq-{date}.gz" min-size="1MB" max-size="10MB"; }
        target "zstd" { shell "seq 300000"; stdout "dumps/seq-{run}.txt.zst"; }
        target "packed" { shell "seq 9 | gzip" pipefail=#true; stdout "dumps/packed-{run}.gz"; }
        target "short" { shell "printf a"; stdout "dumps/short-{run}.gz"; }
        "#,
    );
    fs::write(world.at("token"), "hunter2hunter2").unwrap();
    let plan = world.ends(0, &["plan"]);
    assert!(
        plan.contains("seq-{date}.gz (gzip, at least 976.6 KiB, at most 9.5 MiB)"),
        "{plan}"
    );
    assert!(!world.at("dumps").exists());
    let said = world.apply(0);
    let found = names(&world.at("dumps"));
    assert_eq!(found.len(), 5, "{found:?}\n{said}");
    let read = |prefix: &str| {
        let name = found.iter().find(|name| name.starts_with(prefix)).unwrap();
        let path = world.at("dumps").join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        fs::read(path).unwrap()
    };
    let gunzip = |bytes: &[u8]| {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
        text
    };
    let mut seq = String::new();
    for n in 1..=300_000 {
        writeln!(seq, "{n}").unwrap();
    }
    assert_eq!(read("plain"), b"secret hunter2hunter2\0\xff");
    assert!(gunzip(&read("seq-2")) == seq.as_bytes());
    let frame = read("seq-01");
    assert!(zstd::decode_all(frame.as_slice()).unwrap() == seq.as_bytes());
    // The flag of the checksum in the header of the frame.
    assert_eq!(frame[4] & 0b100, 0b100);
    // What is compressed already is not compressed again.
    assert_eq!(gunzip(&read("packed")), b"1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert_eq!(gunzip(&read("short")), b"a");
    assert!(
        said.contains("wrote `") && said.contains("before compression"),
        "{said}"
    );
    let history = world.ends(0, &["history", "last"]);
    assert!(history.contains("progress") && history.contains("plain-2"), "{history}");
    assert!(!history.contains("hunter2"), "{history}");
    let json = world.ends(0, &["history", "last", "--json"]);
    assert!(json.contains("\"printed\""), "{json}");
}

#[test]
fn of_a_dump_that_fails_nothing_is_left() {
    let world = world(
        r#"
        target "fails-at-the-end" { shell "seq 100000; echo no such table >&2; exit 3"; stdout "dumps/a-{run}.gz"; }
        target "killed" { shell "seq 100000; kill -9 $$"; stdout "dumps/b-{run}.zst"; }
        target "silent" { shell "true"; stdout "dumps/c-{run}"; }
        target "short" { shell "echo a"; stdout "dumps/d-{run}.gz" min-size="1KB"; }
        target "endless" { command "yes"; stdout "dumps/e-{run}.gz" max-size="5MB"; timeout "10m"; }
        target "late" { shell "seq 9; exec sleep 1000"; stdout "dumps/f-{run}.gz"; timeout "300ms"; }
        target "left-behind" { shell "seq 9; sleep 3 &"; stdout "dumps/g-{run}.gz"; }
        target "other-format" { shell "seq 9"; stdout "dumps/h-{run}.xz"; }
        target "again" { shell "test -e marker && echo all; touch marker"; stdout "dumps/i-{run}"; retry max=1 wait="1ms"; }
        target "not-there" { command "no-such-program"; stdout "dumps/j-{run}"; }
        "#,
    );
    let said = world.apply(1);
    let found = names(&world.at("dumps"));
    assert_eq!(found.len(), 1, "{found:?}\n{said}");
    assert!(found[0].starts_with("i-"), "{found:?}");
    for (job, why) in [
        ("fails-at-the-end", "exit code 3"),
        ("killed", "KILL"),
        ("silent", "exit code 0, but it printed nothing"),
        ("short", "less than `min-size`"),
        ("endless", "more than `max-size`"),
        ("late", "timeout after 300ms"),
        ("left-behind", "keeps its output open"),
        ("other-format", "not a `.xz` file"),
        ("not-there", "does not exist"),
    ] {
        let of_job = |line: &&str| line.contains(&format!("target:{job}")) && line.contains(why);
        assert!(said.lines().any(|line| of_job(&line)), "{job}: {why}\n{said}");
    }
    assert!(said.contains("no such table"), "{said}");
}

#[test]
fn an_existing_file_is_never_replaced() {
    let world = world(r#"target "a" { shell "echo new"; stdout "dumps/a-{date}"; retry max=5 wait="1h" cap="1h"; }"#);
    world.apply(0);
    let path = world.at("dumps").join(&names(&world.at("dumps"))[0]);
    fs::write(&path, "kept").unwrap();
    let said = world.apply(1);
    assert!(said.contains("exists, and is not replaced"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    assert_eq!(names(&world.at("dumps")).len(), 1);
}

#[test]
fn a_full_disk_ends_the_command_cleanly() {
    let world = world(r#"target "a" { shell "head -c 200000000 /dev/zero; sleep 1000"; stdout "dumps/a-{run}"; }"#);
    let mut command = Command::new("sh");
    // In blocks of 512 bytes: 40 MB, which the state does not need.
    command.args([
        "-c",
        "ulimit -f 80000; exec \"$0\" apply --yes",
        crate::support::workspace::OPSRUN,
    ]);
    let done = command
        .current_dir(world.path())
        .env_remove("OPSRUN_STATE_DIR")
        .output()
        .unwrap();
    let said = output_of(&done, 73);
    assert!(said.contains("cannot write `"), "{said}");
    assert_eq!(names(&world.at("dumps")), [""; 0]);
}

#[test]
fn a_stop_leaves_nothing_and_what_a_kill_leaves_the_next_run_removes() {
    let ops = r#"target "a" { shell "echo $$ >pid; echo x; exec sleep 1000"; stdout "dumps/a-{run}"; }"#;
    let world = world(ops);
    let begin = || {
        let mut command = opsrun(world.path(), &["apply", "--yes"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let since = Instant::now();
        let pid = loop {
            let text = fs::read_to_string(world.at("pid")).unwrap_or_default();
            if text.ends_with('\n') && names(&world.at("dumps")).len() == 1 {
                break text.trim().parse().unwrap();
            }
            assert!(since.elapsed() < Duration::from_secs(60));
            std::thread::yield_now();
        };
        (child, rustix::process::Pid::from_raw(pid).unwrap())
    };
    let (mut child, _) = begin();
    let own = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(own, rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap();
    assert_eq!(names(&world.at("dumps")), [""; 0]);

    fs::remove_file(world.at("pid")).unwrap();
    let (mut child, orphan) = begin();
    child.kill().unwrap();
    child.wait().unwrap();
    let left = names(&world.at("dumps"));
    assert!(left.len() == 1 && left[0].starts_with('.'), "{left:?}");
    rustix::process::kill_process(orphan, rustix::process::Signal::KILL).unwrap();
    let changed = "ops version=1 { name \"t\"; }\ntarget \"b\" { shell \"echo y\"; stdout \"dumps/b-{run}\"; }\n";
    fs::write(world.at("ops.kdl"), changed).unwrap();
    world.apply(0);
    let now = names(&world.at("dumps"));
    assert!(now.len() == 1 && now[0].starts_with("b-"), "{now:?}");
}

#[test]
fn a_dump_that_is_being_written_is_neither_copied_nor_counted() {
    let world = world(
        r#"
        backup "d" { source "dumps"; to "copies"; }
        retention "d" backup="d" { class "dump" "*" keep="1d" keep-newest=1; max-delete files=9 share="100%"; }
        "#,
    );
    fs::create_dir(world.at("dumps")).unwrap();
    let unfinished = ".opsrun-01ARZ3NDEKTSV4RRFFQ69G5FAV-stdout.part";
    for name in ["a.sql", unfinished] {
        fs::write(world.at("dumps").join(name), "x").unwrap();
    }
    let old = std::time::SystemTime::now() - Duration::from_secs(7 * 86_400);
    let dump = fs::File::open(world.at("dumps/a.sql")).unwrap();
    dump.set_modified(old).unwrap();
    let said = world.apply(0);
    assert!(said.contains("contains 1 file,"), "{said}");
    assert_eq!(names(&world.at("dumps")), [unfinished, "a.sql"]);
}
