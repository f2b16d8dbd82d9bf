//! Commands that write text: `fmt`, `init`, `completions`, `man`.

use super::{Place, exit, snapshot, told};
use crate::support::workspace::{OPSRUN, run_with_input};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const UGLY: &str = "backup   \"a\"{source \"data\" // x\n  to \"copies\"\n}\n";
const FORMED: &str = "backup \"a\" {\n    source \"data\" // x\n    to \"copies\"\n}\n";

#[test]
fn fmt_writes_what_changes_and_nothing_else() {
    let place = Place::new();
    let path = place.path().join("ugly.kdl");
    std::fs::write(&path, UGLY).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
    snapshot("fmt-check", &place.told(&["fmt", "--check", "ugly.kdl", "gone.kdl"]));
    snapshot("fmt-diff", &place.told(&["fmt", "--diff", "ugly.kdl"]));
    assert_eq!(exit(&place.run(&["fmt", "--check", "--diff", "ugly.kdl"])), 1);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), UGLY);
    assert_eq!(
        place.told(&["fmt", "ugly.kdl"]),
        "exit: 0\n--- stdout\n--- stderr\nugly.kdl: formatted\n"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), FORMED);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o604);
    assert_eq!(place.told(&["fmt", "ugly.kdl"]), "exit: 0\n--- stdout\n--- stderr\n");
    assert_eq!(exit(&place.run(&["fmt", "--check", "ugly.kdl"])), 0);
    let quiet = place.run_with_input(&["fmt", "-"], UGLY);
    assert_eq!(told(&quiet), format!("exit: 0\n--- stdout\n{FORMED}--- stderr\n"));
}

#[test]
fn fmt_leaves_what_is_no_kdl() {
    let place = Place::new();
    let path = place.path().join("broken.kdl");
    let text = "backup \"a\"  {\n    timeout 5m\n";
    std::fs::write(&path, text).unwrap();
    std::fs::write(place.path().join("ugly.kdl"), UGLY).unwrap();
    snapshot("fmt-broken", &place.told(&["fmt", "broken.kdl", "ugly.kdl"]));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(std::fs::read_to_string(place.path().join("ugly.kdl")).unwrap(), FORMED);
    assert_eq!(exit(&place.run(&["fmt", "broken.kdl"])), 78);
}

#[test]
fn a_diff_shows_no_secret() {
    let place = Place::new();
    let text =
        "target   \"a\" {\n  command \"a\"\n  env \"API_TOKEN\" \"ghp_0123456789abcdefghij0123456789abcdef\"\n}\n";
    let output = place.run_with_input(&["fmt", "--diff", "-"], text);
    let said = told(&output);
    assert!(
        said.contains("API_TOKEN") && said.contains("***") && !said.contains("ghp_"),
        "{said}"
    );
}

/// However it is asked, and whatever else is wrong beside them.
#[test]
fn no_output_shows_the_secret_of_an_argument() {
    let place = Place::new();
    let text = "// curl -u admin:hunter2pass https://a\ntarget \"a\" {\n  comand 'mysql' '-phunter2pass' \"shop\"\n}\n\
        target \"b\" {\n  command curl -u admin:hunter2pass https://a\n}\n\
        target   \"c\" {\n  shell \"PGPASSWORD=hunter2pass pg_dump app\"\n  timeot 5m\n}\n\
        target \"d\" {\n  command [\"tool\", \"--password=hunter2pass\", \"--token\", \"hunter2pass\"]\n}\n";
    let formed = "target   \"a\" {\n  shell \"curl -u admin:hunter2pass https://a\"\n}\n";
    std::fs::write(place.path().join("formed.kdl"), formed).unwrap();
    for arguments in [
        &["check", "s.kdl"][..],
        &["check", "--diff", "s.kdl"],
        &["check", "--format", "json", "s.kdl"],
        &["check", "--format", "sarif", "s.kdl"],
        &["check", "--format", "github", "s.kdl"],
        &["check", "--format", "junit", "s.kdl"],
        &["fmt", "s.kdl"],
        &["fmt", "--diff", "formed.kdl"],
        &["plan", "s.kdl"],
        &["check", "--fix", "s.kdl"],
        &["check", "--fix", "--format", "json", "s.kdl"],
    ] {
        std::fs::write(place.path().join("s.kdl"), text).unwrap();
        let said = place.told(arguments);
        assert!(!said.contains("hunter2"), "{arguments:?}\n{said}");
        assert!(
            said.contains("s.kdl") || said.contains("formed.kdl"),
            "{arguments:?}\n{said}"
        );
    }
}

#[test]
fn init_writes_a_file_that_is_valid_and_formed() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(OPSRUN);
        command.env_clear().current_dir(dir.path()).args(arguments);
        told(&command.output().unwrap())
    };
    assert!(run(&["init"]).starts_with("exit: 0\n"));
    assert_eq!(
        run(&["check", "--fail-on", "warning"]),
        "exit: 0\n--- stdout\nops.kdl: ok (1 check, 1 target, 1 backup, 1 retention)\n\
         not checked: variables, programs and paths of this host; to check them, add `--host`\n--- stderr\n"
    );
    assert_eq!(run(&["fmt", "--check"]), "exit: 0\n--- stdout\n--- stderr\n");
    std::fs::write(dir.path().join("ops.kdl"), "// mine\n").unwrap();
    snapshot("init-exists", &run(&["init"]));
    assert_eq!(
        std::fs::read_to_string(dir.path().join("ops.kdl")).unwrap(),
        "// mine\n"
    );
    let printed = run(&["init", "-"]);
    assert!(run(&["init", "--force"]).starts_with("exit: 0\n"));
    let written = std::fs::read_to_string(dir.path().join("ops.kdl")).unwrap();
    assert_eq!(printed, format!("exit: 0\n--- stdout\n{written}--- stderr\n"));
}

#[test]
fn init_translates_a_crontab() {
    let place = Place::new();
    let crontab = "MAILTO=a@example.com\n*/5 * * * * /usr/bin/poll\n@reboot /usr/bin/warm\n";
    std::fs::write(place.path().join("tab"), crontab).unwrap();
    let made = |arguments: &[&str], input: &str| {
        let mut command = place.command(arguments);
        command.env("TZ", "UTC").env("HOME", "/srv/home");
        told(&run_with_input(&mut command, input))
    };
    snapshot("init-crontab", &made(&["init", "-", "--from", "crontab", "tab"], ""));
    assert_eq!(
        made(&["init", "-", "--from", "crontab", "tab"], ""),
        made(&["init", "-", "--from", "crontab", "-"], crontab)
    );
    made(&["init", "made.kdl", "--from", "crontab", "tab"], "");
    assert_eq!(exit(&place.run(&["check", "made.kdl"])), 0);
    assert_eq!(exit(&place.run(&["init", "-", "--from", "systemd"])), 64);
    assert_eq!(exit(&place.run(&["init", "-", "--from", "crontab", "gone"])), 66);
}

#[test]
fn init_reads_no_more_than_a_crontab_can_be_and_asks_about_users() {
    let place = Place::new();
    let text = "17 * * * * root cd / && run-parts /etc/cron.hourly\n25 6 * * * root /usr/bin/x\n";
    std::fs::write(place.path().join("tab"), text).unwrap();
    snapshot(
        "init-endless",
        &place.told(&["init", "-", "--from", "crontab", "/dev/zero"]),
    );
    snapshot(
        "init-users",
        &place.told(&["init", "x.kdl", "--from", "crontab", "tab"]),
    );
    assert!(!place.path().join("x.kdl").exists());
    for flag in ["--system", "--no-system"] {
        let name = format!("x{flag}.kdl");
        assert_eq!(exit(&place.run(&["init", &name, "--from", "crontab", "tab", flag])), 0);
        let mode = std::fs::metadata(place.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

/// A program named `crontab` stands in for the one of the system.
#[test]
fn init_asks_the_program_crontab() {
    let place = Place::new();
    let program = place.path().join("crontab");
    let run = |script: &str| {
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = place.command(&["init", "-", "--from", "crontab"]);
        let path = format!("{}:/usr/bin:/bin", place.path().display());
        told(&command.env("PATH", path).env("TZ", "UTC").output().unwrap())
    };
    let said = run("[ \"$*\" = -l ] && echo '0 1 * * * /usr/bin/poll'");
    assert!(
        said.contains("command \"/usr/bin/poll\"\n    cron \"0 1 * * *\""),
        "{said}"
    );
    snapshot("init-no-crontab", &run("echo no crontab for ops >&2; exit 1"));
}

#[test]
fn completions_complete() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = place.run(&["completions", shell]);
        assert_eq!(exit(&output), 0, "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for command in ["fmt", "init", "restore"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    let script = place.path().join("completion.bash");
    std::fs::write(&script, place.run(&["completions", "bash"]).stdout).unwrap();
    let complete = |words: &str, at: usize| {
        let line = format!(
            ". ./completion.bash; COMP_WORDS=({words}); COMP_CWORD={at}; \
             _opsrun opsrun \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        let output = bash
            .args(["--norc", "-c", &line])
            .current_dir(place.path())
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete("opsrun res", 1), "restore\n");
    assert_eq!(complete("opsrun fmt --c", 2), "--check\n--color\n");
    assert_eq!(complete("opsrun check --fail-on wa", 3), "warning\n");
    assert_eq!(complete("opsrun history --file goo", 3), "good.kdl\n");
}

#[test]
fn manual_pages_are_written() {
    let place = Place::new();
    let page = place.run(&["man"]);
    assert_eq!(exit(&page), 0);
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(
        page.contains(".SH EXAMPLES\n.nf\n") && page.contains(".SH EXIT STATUS"),
        "{page}"
    );
    for round in 0..2 {
        let said = place.told(&["man", "man/man1"]);
        assert!(
            said.starts_with("exit: 0\n") && said.contains("man/man1: "),
            "{round}: {said}"
        );
    }
    assert_eq!(
        std::fs::read_to_string(place.path().join("man/man1/opsrun.1")).unwrap(),
        page
    );
    let fmt = std::fs::read_to_string(place.path().join("man/man1/opsrun-fmt.1")).unwrap();
    assert!(fmt.contains("opsrun fmt \\-\\-check \\-\\-diff"), "{fmt}");
}

/// A pipe without a writer would be waited for without an end; one that this process was given has a writer.
#[test]
fn what_is_no_file_is_refused_at_once() {
    let place = Place::new();
    let path = place.path().join("pipe.kdl");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, rustix::fs::Mode::RWXU, 0).unwrap();
    for arguments in [
        &["check"][..],
        &["check", "--fix"],
        &["fmt"],
        &["fmt", "--check"],
        &["plan"],
    ] {
        for (file, what) in [("pipe.kdl", "a pipe"), ("/dev/zero", "a device")] {
            let output = place.run_with_input(&[arguments, &[file]].concat(), "");
            assert_eq!(output.status.code(), Some(66), "{arguments:?} {}", told(&output));
            assert!(told(&output).contains(what), "{}", told(&output));
        }
    }
    for file in ["-", "/dev/stdin", "/dev/fd/0"] {
        let output = place.run_with_input(&["check", file], super::GOOD);
        assert_eq!(exit(&output), 0, "{file}: {}", told(&output));
    }
}

#[test]
fn what_is_too_large_or_in_another_encoding_is_said_so() {
    let place = Place::new();
    let text = UGLY.repeat(5 * 1024 * 1024 / UGLY.len());
    std::fs::write(place.path().join("large.kdl"), text).unwrap();
    let large = place.told(&["fmt", "large.kdl"]);
    assert!(
        large.contains("exit: 78") && large.contains("is larger than 4 MiB"),
        "{large}"
    );
    assert!(!large.contains("not valid KDL"), "{large}");
    let sixteen: Vec<u8> = "\u{feff}ops { name \"a\"; }\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let latin = b"target \"a\" { command \"caf\xe9\"; }\n".to_vec();
    for (name, bytes, hint) in [("sixteen.kdl", sixteen, "UTF-16"), ("latin.kdl", latin, "LATIN1")] {
        std::fs::write(place.path().join(name), bytes).unwrap();
        for command in ["check", "fmt"] {
            let said = place.told(&[command, name]);
            assert!(said.contains(&format!("iconv -f {hint}")), "{said}");
        }
    }
}
