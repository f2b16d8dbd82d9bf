//! `check` as it is typed: forms and where they go, `--fix`, `--diff`, `--host`, and the recipes for CI.

use super::{GOOD, Place, exit, snapshot, told};
use crate::support::workspace::OPSRUN;
use serde_json::Value;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

const SLIPS: &str = "// kept\ntarget \"a\" {\n    command 'x'   // why\n    timeout 5m\n}\n";
const MENDED: &str = "// kept\ntarget \"a\" {\n    command \"x\"   // why\n    timeout \"5m\"\n}\n";

fn write(place: &Place, name: &str, text: &str) {
    std::fs::write(place.path().join(name), text).unwrap();
}

fn read(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path().join(name)).unwrap()
}

#[test]
fn forms_go_where_they_are_sent() {
    let place = Place::new();
    let names = [
        "json=out.json",
        "github=out.txt",
        "sarif=out.sarif",
        "junit=out.xml",
        "text=out.text",
    ];
    let mut arguments = vec!["check", "good.kdl", "bad.kdl", "gone.kdl"];
    for name in &names {
        arguments.extend(["--format", *name]);
    }
    let output = place.run(&arguments);
    assert_eq!(exit(&output), 66);
    assert!(output.stdout.is_empty(), "{}", told(&output));
    let value: Value = serde_json::from_str(&read(&place, "out.json")).unwrap();
    assert_eq!(value["errors"], 1);
    assert_eq!(value["files"][1]["valid"], false);
    assert_eq!(value["unread"][0]["file"], "gone.kdl");
    assert!(read(&place, "out.txt").starts_with("::error file=gone.kdl::"));
    assert!(read(&place, "out.sarif").contains("\"executionSuccessful\": false"));
    assert!(read(&place, "out.xml").contains("errors=\"1\""));
    assert!(read(&place, "out.text").contains("good.kdl: ok"));

    let both = place.run(&["check", "bad.kdl", "--format", "json=out.json", "--format", "text"]);
    assert_eq!(both.stdout, place.run(&["check", "bad.kdl"]).stdout);
    let piped = place.run_with_input(&["check", "-", "--stdin-name", "x/y.kdl", "--format", "json"], "targte");
    let value: Value = serde_json::from_slice(&piped.stdout).unwrap();
    assert_eq!(value["findings"][0]["place"]["file"], "x/y.kdl");
    let lost = place.run(&["check", "--format", "json=no/such/dir.json"]);
    assert_eq!(exit(&lost), 73, "{}", told(&lost));
}

#[test]
fn forms_that_cannot_be_are_refused() {
    let place = Place::new();
    let mut all = String::new();
    for case in [
        &["check", "--format", "xml"][..],
        &["check", "--format", "json="],
        &["check", "--format", "json", "--format", "text"],
        &["check", "--format", "json=a", "--format", "sarif=a"],
        &["check", "--diff", "--format", "json"],
        &["check", "-", "--fix", "--diff"],
        &["check", "-", "ops.kdl", "--fix"],
    ] {
        let output = place.run(case);
        assert_eq!(exit(&output), 64, "{case:?}");
        assert!(output.stdout.is_empty(), "{case:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        all += &["$ opsrun ", &case.join(" "), "\n", &said, "\n"].concat();
    }
    snapshot("check-usage", &all);
}

#[test]
fn what_counts_is_said_by_fail_on() {
    let place = Place::new();
    for (file, on, wanted) in [
        ("bad.kdl", "error", 1),
        ("bad.kdl", "warning", 1),
        ("bad.kdl", "never", 0),
        ("doubtful.kdl", "error", 0),
        ("doubtful.kdl", "warning", 1),
        ("doubtful.kdl", "never", 0),
        ("good.kdl", "warning", 0),
        ("gone.kdl", "never", 66),
    ] {
        let output = place.run(&["check", file, "--fail-on", on]);
        assert_eq!(exit(&output), wanted, "{file} {on}");
    }
}

#[test]
fn fix_mends_the_file_and_nothing_else() {
    let place = Place::new();
    write(&place, "real.kdl", SLIPS);
    std::fs::set_permissions(place.path().join("real.kdl"), PermissionsExt::from_mode(0o640)).unwrap();
    symlink("real.kdl", place.path().join("link.kdl")).unwrap();
    let before = names(&place);
    snapshot("check-diff", &place.told(&["check", "--diff", "link.kdl"]));
    assert_eq!(read(&place, "real.kdl"), SLIPS);
    snapshot("check-fix", &place.told(&["check", "--fix", "link.kdl"]));
    assert_eq!(read(&place, "real.kdl"), MENDED);
    let meta = std::fs::symlink_metadata(place.path().join("link.kdl")).unwrap();
    assert!(meta.is_symlink());
    let mode = std::fs::metadata(place.path().join("real.kdl"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(names(&place), before);

    let nothing = place.run(&["check", "--diff", "link.kdl", "--quiet"]);
    assert_eq!(told(&nothing), "exit: 0\n--- stdout\n--- stderr\n");
    // What cannot be mended does not count where only changes are shown.
    assert_eq!(exit(&place.run(&["check", "--diff", "bad.kdl"])), 0);
    assert_eq!(exit(&place.run(&["check", "--fix", "bad.kdl"])), 1);
}

fn names(place: &Place) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    names
}

#[test]
fn fix_shows_and_writes_together() {
    let place = Place::new();
    write(&place, "a.kdl", SLIPS);
    let output = place.run(&["check", "--fix", "--diff", "a.kdl"]);
    assert_eq!(exit(&output), 0, "{}", told(&output));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("--- a/a.kdl\n+++ b/a.kdl\n@@"));
    assert_eq!(read(&place, "a.kdl"), MENDED);
}

#[test]
fn fix_filters_stdin() {
    let place = Place::new();
    for (text, mended, wanted) in [
        (SLIPS, MENDED, 0),
        (GOOD, GOOD, 0),
        ("targte 5\n", "target \"5\"\n", 1),
        ("x", "x", 1),
    ] {
        let output = place.run_with_input(&["check", "--fix", "-"], text);
        assert_eq!(String::from_utf8_lossy(&output.stdout), mended, "{}", told(&output));
        assert_eq!(exit(&output), wanted, "{text}: {}", told(&output));
    }
    let odd = place.run_with_input(&["check", "--fix", "-"], &b"a \xff\n"[..]);
    assert_eq!(odd.stdout, b"a \xff\n");
}

#[test]
fn fix_mends_imports_below_the_file_only() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().join("in/conf.d")).unwrap();
    write(&place, "outside.kdl", SLIPS);
    write(
        &place,
        "in/ops.kdl",
        "import \"conf.d/*.kdl\"\nimport \"../outside.kdl\"\n",
    );
    write(&place, "in/conf.d/a.kdl", SLIPS);
    let output = place.run(&["check", "--fix", "in/ops.kdl"]);
    assert_eq!(exit(&output), 1, "the import from outside stays an error");
    assert_eq!(read(&place, "in/conf.d/a.kdl"), MENDED, "{}", told(&output));
    assert_eq!(read(&place, "outside.kdl"), SLIPS);
    // An import of stdin is nobody's to change.
    write(&place, "in/conf.d/a.kdl", SLIPS);
    let output = place.run_with_input(
        &["check", "--fix", "-", "--stdin-name", "in/ops.kdl"],
        "import \"conf.d/a.kdl\"\n",
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "import \"conf.d/a.kdl\"\n");
    assert_eq!(read(&place, "in/conf.d/a.kdl"), SLIPS);
}

#[test]
fn a_file_that_cannot_be_replaced_is_said_and_stays() {
    let place = Place::new();
    write(&place, "a.kdl", SLIPS);
    std::fs::hard_link(place.path().join("a.kdl"), place.path().join("b.kdl")).unwrap();
    let output = place.run(&["check", "--fix", "a.kdl"]);
    assert_eq!(exit(&output), 73, "{}", told(&output));
    assert_eq!(read(&place, "b.kdl"), SLIPS);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("hard links"),
        "{}",
        told(&output)
    );
}

#[test]
fn the_host_is_asked_only_when_told_to() {
    let place = Place::new();
    write(
        &place,
        "host.kdl",
        "target \"a\" { command \"no-such-program\"; env \"T\" from-env=\"NO_SUCH\"; }\n",
    );
    let without = place.told(&["check", "host.kdl"]);
    assert!(without.contains("add `--host`"), "{without}");
    assert!(!place.told(&["check", "host.kdl", "--quiet"]).contains("--host"));
    let with = place.run(&["check", "host.kdl", "--host", "--fail-on", "warning"]);
    assert_eq!(exit(&with), 1);
    snapshot("check-host", &told(&with));
    let set = place
        .command(&["check", "host.kdl", "--host", "--format", "json"])
        .env("NO_SUCH", "a-value-that-is-long")
        .output()
        .unwrap();
    let value: Value = serde_json::from_slice(&set.stdout).unwrap();
    assert_eq!(value["warnings"], 1);
}

/// The shell lines of a recipe that start with `opsrun`, and the values of a key.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    let found = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    found.map(|value| value.trim().trim_matches('\'')).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test starts programs")]
fn shell(place: &Place, line: &str) -> std::process::Output {
    let bin = std::path::Path::new(OPSRUN);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.parent().unwrap().display());
    Command::new("sh")
        .args(["-e", "-c", line])
        .env_clear()
        .env("PATH", path)
        .env("HOME", place.path())
        .current_dir(place.path())
        .output()
        .unwrap()
}

#[test]
fn the_workflow_does_what_it_says() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci/github-workflow.yml")).unwrap();
    assert!(!text.contains('\t'), "YAML takes no tabs");
    let lines = values(&text, "run");
    let [line] = lines
        .iter()
        .copied()
        .filter(|line| line.starts_with("opsrun "))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{lines:?}")
    };
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check.md")).unwrap();
    assert!(docs.contains(line), "docs/check.md shows another command");
    let place = Place::new();
    let good = shell(&place, line);
    assert_eq!(told(&good), "exit: 0\n--- stdout\n--- stderr\n");
    let sarif = values(&text, "sarif_file");
    let value: Value = serde_json::from_str(&read(&place, sarif[0])).unwrap();
    assert_eq!(value["version"], "2.1.0");
    write(&place, "ops.kdl", SLIPS);
    let bad = shell(&place, line);
    assert_eq!(exit(&bad), 1);
    assert!(
        String::from_utf8_lossy(&bad.stdout).starts_with("::error file=ops.kdl,line=3,"),
        "{}",
        told(&bad)
    );
}

/// No published package and no download is assumed: the source that the workflow fetched is what it installs from.
#[test]
fn the_workflow_installs_a_program_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("examples/ci/github-workflow.yml")).unwrap();
    let lines = values(&text, "run");
    let line = lines.iter().find(|line| line.starts_with("cargo install ")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let ["cargo", "install", "--locked", "--path", path] = words[..] else {
        panic!("{line}");
    };
    assert!(values(&text, "path").contains(&path), "nothing is fetched to `{path}`");
    // As the workflow lays it out, and as far as it goes without a build.
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root, place.path().join(path)).unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--locked",
            "--offline",
            "--no-deps",
            "--format-version",
            "1",
        ])
        .args(["--manifest-path", &format!("{path}/Cargo.toml")])
        .current_dir(place.path())
        .output()
        .unwrap();
    let package: Value = serde_json::from_slice(&output.stdout).unwrap();
    let targets = package["packages"][0]["targets"].as_array().unwrap();
    assert!(
        targets
            .iter()
            .any(|target| target["name"] == "opsrun" && target["kind"][0] == "bin")
    );
}

#[test]
fn the_pre_commit_hook_looks_at_what_is_staged() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml")).unwrap();
    assert_eq!(values(&text, "id"), ["opsrun-check"]);
    let entry = values(&text, "entry")[0];
    let pattern = values(&text, "files")[0];
    let place = Place::new();
    std::fs::create_dir(place.path().join("sub")).unwrap();
    write(&place, "sub/web.ops.kdl", GOOD);
    write(&place, "notes.kdl", "x");
    let init = shell(&place, "git init -q . && git add .");
    assert!(init.status.success(), "{}", told(&init));
    // As pre-commit does it: the staged files that match are arguments of the entry.
    let hook = format!("git diff --cached --name-only | grep -E '{pattern}' | xargs {entry}");
    let good = shell(&place, &hook);
    assert_eq!(exit(&good), 0, "{}", told(&good));
    let said = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(
        said.contains("ops.kdl: ok") && said.contains("sub/web.ops.kdl: ok") && !said.contains("notes"),
        "{said}"
    );
    write(&place, "sub/web.ops.kdl", SLIPS);
    assert!(shell(&place, "git add .").status.success());
    let bad = shell(&place, &hook);
    assert_ne!(exit(&bad), 0);
    assert!(
        String::from_utf8_lossy(&bad.stdout).contains("OPS1001"),
        "{}",
        told(&bad)
    );
}
