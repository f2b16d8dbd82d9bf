//! The program as it is typed: help, mistakes in the arguments, `check`, exit codes, closed pipes.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, and it starts programs"
)]

mod answers;
mod check;
mod foreseen;
mod past;
mod places;
mod runs;
mod secrets;
mod written;
mod zones;

use crate::support::workspace::{OPSRUN, run_with_input};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const GOOD: &str = r#"
backup "observer" {
    source "data"
    to "/backup/observer"
}
retention "observer" backup="observer" {
    class "raw" "raw/**" keep="7d"
    max-delete share="50%"
}
"#;

/// One error and one warning.
const BAD: &str = r#"
backup "observer" {
    sorce "/srv/observer/data"
    source "/srv/observer/data"
    to "/backup/observer"
}
retention "observer" backup="observer" {
    class "raw" "raw/**" keep="7d"
}
"#;

/// A warning only: no `max-delete`.
const DOUBTFUL: &str = r#"
backup "observer" {
    source "/srv/observer/data"
    to "/backup/observer"
}
retention "observer" backup="observer" {
    class "raw" "raw/**" keep="7d"
}
"#;

/// The program in a directory that holds `good.kdl`, `bad.kdl`, `doubtful.kdl` and `ops.kdl`, which is the good one.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("good.kdl", GOOD),
            ("ops.kdl", GOOD),
            ("bad.kdl", BAD),
            ("doubtful.kdl", DOUBTFUL),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(OPSRUN);
        command.env_clear().current_dir(self.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn run_with_input(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
        run_with_input(&mut self.command(arguments), input)
    }

    /// Exit code, stdout and stderr as one text.
    fn told(&self, arguments: &[&str]) -> String {
        told(&self.run(arguments))
    }
}

fn told(output: &Output) -> String {
    format!(
        "exit: {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn exit(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
        filters => [(r"opsrun \d+\.\d+\.\d+", "opsrun [version]"), (r"time zones \S+ \(\S+\)", "time zones [version] ([directory])"), (r"\), \S+ \(built in", "), [version] (built in"), (r#""zone_data": "[^"]*""#, r#""zone_data": "[zone data]""#)],
    }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn help() {
    let place = Place::new();
    snapshot("help", &place.told(&["--help"]));
    for command in [
        "plan",
        "apply",
        "serve",
        "check",
        "fmt",
        "init",
        "graph",
        "status",
        "history",
        "why",
        "simulate",
        "list",
        "verify",
        "restore",
        "alerts",
        "explain",
        "schema",
        "completions",
        "man",
    ] {
        snapshot(&format!("help-{command}"), &place.told(&[command, "--help"]));
    }
    for command in ["list", "replay", "test"] {
        snapshot(
            &format!("help-alerts-{command}"),
            &place.told(&["alerts", command, "--help"]),
        );
    }
    snapshot("version", &place.told(&["--version"]));
    assert_eq!(place.told(&["help"]), place.told(&["--help"]));
    assert_eq!(place.told(&["help", "apply"]), place.told(&["apply", "--help"]));
}

#[test]
fn mistakes_in_the_arguments_exit_with_64() {
    let place = Place::new();
    let cases: &[&[&str]] = &[
        &[],
        &["plam"],
        &["plan", "--flies"],
        &["plan", "a.kdl", "b.kdl"],
        &["plan", "--at", "yesterday"],
        &["plan", "--over-budget", "backup:observer"],
        &["plan", "--threads", "0"],
        &["plan", "--json", "--format", "text"],
        &["plan", "--format", "svg"],
        &["plan", "--files", "--format", "dot"],
        &["graph", "--format", "json"],
        &["status", "--only", "target:a"],
        &["history", "--limit", "0"],
        &["history", "--job", "verify:observer"],
        &["history", "last", "--job", "backup:observer"],
        &["history", "last", "--limit", "3"],
        &["apply", "--lock-wait", "5"],
        &["apply", "--quiet", "--verbose"],
        &["check", "--fail-on", "nothing"],
        &["explain", "no-max-delet"],
        &["explain", "OPS5001", "OPS999\u{1b}"],
        &["schema", "plam"],
        &["list", "ops.kdl", "--from", "/backup"],
        &["restore", "--hold", "0s"],
        &["restore", "--at", "2026-11-01", "--copy", "x"],
        &["--color", "sometimes", "plan"],
    ];
    let mut all = String::new();
    for case in cases {
        let output = place.run(case);
        assert_eq!(exit(&output), 64, "{case:?}");
        assert!(output.stdout.is_empty(), "{case:?}");
        if !case.is_empty() {
            all += &[
                "$ opsrun ",
                &case.join(" "),
                "\n",
                &String::from_utf8_lossy(&output.stderr),
                "\n",
            ]
            .concat();
        }
    }
    snapshot("usage", &all);
}

#[test]
fn check_says_what_is_wrong() {
    let place = Place::new();
    snapshot("check-good", &place.told(&["check"]));
    snapshot("check-bad", &place.told(&["check", "bad.kdl"]));
    snapshot("check-doubtful", &place.told(&["check", "doubtful.kdl"]));
    snapshot(
        "check-many",
        &place.told(&["check", "good.kdl", "gone.kdl", "doubtful.kdl", "."]),
    );
    assert_eq!(exit(&place.run(&["check", "doubtful.kdl", "--fail-on", "warning"])), 1);
    let quiet = place.run(&["check", "--quiet"]);
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty());
}

#[test]
fn check_reads_stdin() {
    let place = Place::new();
    let output = place.run_with_input(&["check", "-"], GOOD);
    assert_eq!(
        told(&output),
        "exit: 0\n--- stdout\nstdin.kdl: ok (1 backup, 1 retention)\n\
         not checked: variables, programs and paths of this host; to check them, add `--host`\n--- stderr\n"
    );
    let output = place.run_with_input(&["check", "-", "--stdin-name", "conf/draft.kdl"], "backup");
    assert_eq!(exit(&output), 1);
    assert!(String::from_utf8_lossy(&output.stdout).contains("conf/draft.kdl"));
}

#[test]
fn an_invalid_ops_file_exits_with_78_before_anything_else() {
    let place = Place::new();
    for command in ["plan", "apply", "graph", "status", "list", "verify"] {
        let output = place.run(&[command, "bad.kdl"]);
        assert_eq!(exit(&output), 78, "{command}: {}", told(&output));
        assert!(output.stdout.is_empty(), "{command}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("sorce"), "{command}");
    }
    assert_eq!(exit(&place.run(&["restore", "--file", "bad.kdl"])), 78);
    assert_eq!(exit(&place.run(&["history", "--file", "bad.kdl"])), 78);
    snapshot("plan-bad-file", &place.told(&["plan", "bad.kdl"]));
    let mut names: Vec<_> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["bad.kdl", "doubtful.kdl", "good.kdl", "ops.kdl"]);
}

#[test]
fn a_missing_input_exits_with_66() {
    let place = Place::new();
    let mut all = String::new();
    for case in [
        &["plan", "gone.kdl"][..],
        &["apply", "."],
        &["list", "--from", "gone"],
        &["restore", "-f", "gone.kdl"],
        &["graph", "gone.kdl"],
        &["status", "gone.kdl"],
        &["history", "-f", "gone.kdl"],
    ] {
        let output = place.run(case);
        assert_eq!(exit(&output), 66, "{case:?}");
        all += &[
            "$ opsrun ",
            &case.join(" "),
            "\n",
            &String::from_utf8_lossy(&output.stderr),
        ]
        .concat();
    }
    snapshot("missing", &all);
}

#[test]
fn explain_says_what_a_finding_means() {
    let place = Place::new();
    snapshot("explain", &place.told(&["explain"]));
    snapshot("explain-one", &place.told(&["explain", "OPS5001"]));
    let one = place.told(&["explain", "ops5001"]);
    assert_eq!(one, place.told(&["explain", "Retention-Without-Backup", "5001"]));
    let both = place.run(&["explain", "unused-allow", "OPS5001"]);
    let both = String::from_utf8_lossy(&both.stdout);
    assert!(
        both.starts_with("OPS2010 unused-allow (warning)") && both.contains("\nOPS5001 "),
        "{both}"
    );
    let painted = place.run(&["explain", "OPS5001", "--color", "always"]);
    assert!(painted.stdout.contains(&0x1b));
}

#[test]
fn schema_prints_what_stands_in_schemas() {
    let place = Place::new();
    let printed = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert_eq!(exit(&output), 0, "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let stands = |name: &str| std::fs::read_to_string(Path::new("schemas").join(name)).unwrap();
    assert_eq!(printed(&["schema"]), stands("language.json"));
    let mut files = vec!["language.json".to_owned()];
    for form in opsrun::report::schemas::OUTPUT_SCHEMAS {
        let name = form.name;
        let file = format!("{name}.schema.json");
        assert_eq!(printed(&["schema", name]), stands(&file), "{name}");
        files.push(file);
    }
    files.sort();
    let mut all: Vec<String> = std::fs::read_dir("schemas")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    all.sort();
    assert_eq!(files, all, "a schema that nothing prints");
}

#[test]
fn colour_is_a_wish() {
    let place = Place::new();
    let painted = |output: &Output| output.stdout.contains(&0x1b);
    assert!(!painted(&place.run(&["check"])));
    assert!(painted(&place.run(&["check", "--color", "always"])));
    let always = place
        .command(&["check", "--color", "always"])
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(painted(&always));
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let place = Place::new();
    for arguments in [&["check", "bad.kdl"][..], &["--help"], &["--version"]] {
        let mut child = place
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(
            !String::from_utf8_lossy(&output.stderr).contains("panicked"),
            "{}",
            told(&output)
        );
        assert!(matches!(exit(&output), 0 | 1), "{}", told(&output));
    }
}

#[test]
fn output_that_is_lost_is_said() {
    let place = Place::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command(&["check"]).stdout(full).output().unwrap();
    assert_eq!(exit(&output), 73, "{}", told(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the output"));
}
