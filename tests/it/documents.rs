//! What the documents show must be true: every ops file in them is checked by the program, and what is made from
//! the program is what it makes now.
//!
//! Takes the blocks marked `kdl` in `README.md` and in everything in `docs/`. Those of `docs/reference.md` are pieces of one file,
//! put together here; every other one stands for a whole file. Takes every command line of opsrun in them, too, and has it parsed as it
//! would be when typed. A block marked `kdl bad=CODE` must yield exactly that code, and
//! nothing when it says that only a look at the machine finds it (`kdl bad=CODE host`). The list of sabotages in
//! `tests/sabotage` names lines of the source: they must be there.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, and it starts programs"
)]

use crate::generated;
use crate::support::workspace::opsrun;
use clap::Parser;
use opsrun::cli::args::Cli;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A block of a document.
struct Block {
    /// The codes that it must yield; none in one that is valid.
    yields: Vec<String>,
    /// They are found by a look at the machine alone.
    host: bool,
    text: String,
}

fn path(document: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(document)
}

fn blocks(document: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(path(document)).unwrap();
    let mut found = Vec::new();
    let mut parts = text.split("```");
    parts.next();
    for (at, part) in parts.step_by(2).enumerate() {
        let (info, text) = part.split_once('\n').unwrap_or((part, ""));
        let mut words = info.split(' ');
        if words.next() != Some("kdl") {
            continue;
        }
        let (mut yields, mut host) = (Vec::new(), false);
        for word in words {
            if word == "host" && !yields.is_empty() {
                host = true;
                continue;
            }
            let codes = word.strip_prefix("bad=");
            let codes = codes.unwrap_or_else(|| panic!("{document}, block {at}: `{word}` is no mark"));
            yields.extend(codes.split(',').map(str::to_owned));
        }
        found.push(Block {
            yields,
            host,
            text: text.to_owned(),
        });
    }
    assert_eq!(text.matches("```").count() % 2, 0, "{document}: a block is not closed");
    found
}

/// The documents that people read, by their paths from the root.
fn documents() -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(path("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "md"))
        .map(|path| format!("docs/{}", path.file_name().unwrap().to_str().unwrap()))
        .collect();
    found.extend(["README.md", "CHANGELOG.md"].map(str::to_owned));
    found.sort();
    found
}

/// Checks one file.
fn check(what: &str, block: &Block) {
    let dir = tempfile::tempdir().unwrap();
    if block.yields.is_empty() {
        std::fs::create_dir(dir.path().join("conf.d")).unwrap();
        std::fs::write(dir.path().join("conf.d/none.kdl"), "// nothing yet\n").unwrap();
    }
    std::fs::write(dir.path().join("ops.kdl"), &block.text).unwrap();
    let loaded = opsrun::config::load(&dir.path().join("ops.kdl")).unwrap();
    let mut found: Vec<&str> = loaded.findings.iter().map(|finding| finding.code.id()).collect();
    found.dedup();
    let shown = loaded.render(false, 100);
    if block.yields.is_empty() {
        assert_eq!(loaded.errors(), 0, "{what}:\n{}\n{shown}", block.text);
    } else {
        let wanted = if block.host { &[][..] } else { &block.yields };
        assert_eq!(found, wanted, "{what}:\n{}\n{shown}", block.text);
    }
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn every_block_is_what_it_says() {
    let mut wrong = 0;
    for document in documents() {
        let all = blocks(&document);
        if document == "docs/reference.md" {
            let (good, bad): (Vec<Block>, Vec<Block>) = all.into_iter().partition(|block| block.yields.is_empty());
            assert!(good.len() >= 4);
            let whole = Block {
                yields: Vec::new(),
                host: false,
                text: good.iter().map(|block| block.text.as_str()).collect(),
            };
            check(&document, &whole);
            for block in &bad {
                check(&document, block);
            }
            continue;
        }
        for block in &all {
            wrong += usize::from(!block.yields.is_empty());
            check(&document, block);
        }
        assert!(!all.is_empty() || !document.ends_with("README.md"));
    }
    assert!(
        wrong >= opsrun::config::findings::Code::ALL.len(),
        "every code has a wrong example"
    );
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn the_readme_shows_files_that_the_program_takes() {
    for block in blocks("README.md") {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ops.kdl"), &block.text).unwrap();
        let done = opsrun(dir.path(), &["check", "ops.kdl"]).output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&said));
    }
}

/// `UPDATE_DOCS=1` rewrites what is generated.
#[test]
fn what_is_generated_is_what_the_program_makes() {
    let mut filled = 0;
    for document in documents() {
        let stands = std::fs::read_to_string(path(&document)).unwrap();
        let made = generated::fill(&stands).unwrap_or_else(|error| panic!("{document}: {error}"));
        filled += usize::from(stands.contains("<!-- begin "));
        if std::env::var_os("UPDATE_DOCS").is_some() && made != stands {
            std::fs::write(path(&document), &made).unwrap();
            continue;
        }
        assert!(made == stands, "{document} is out of date: run with UPDATE_DOCS=1");
    }
    assert_eq!(filled, 2, "the reference and the findings");
}

/// The words of each command in a line of a shell, without what is redirected. A comment ends the line.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut quote = None;
    for c in line.chars().chain(['\n']) {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\n') => words.extend(word.take()),
            (None, '|' | ';' | '&' | '<' | '>' | '(' | ')') => {
                words.extend(word.take());
                all.push(std::mem::take(&mut words));
                if c == '<' || c == '>' {
                    // What follows is the name of a file.
                    words.push(String::new());
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    all.push(words);
    all
}

/// The calls of opsrun in a line, from its name on.
fn calls(line: &str) -> Vec<Vec<String>> {
    let before = |word: &String| matches!(word.as_str(), "sudo" | "*" | "run:") || word.contains('=');
    let called = |words: Vec<String>| {
        let words: Vec<String> = words.into_iter().skip_while(before).collect();
        let program = words.first()?;
        (program == "opsrun" || program.ends_with("/opsrun")).then_some(words)
    };
    commands(line).into_iter().filter_map(called).collect()
}

/// The lines of shell in a document: in blocks, as they are typed (true), and in prose, where parts of them may be missing.
fn typed(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (at, part) in text.split("```").enumerate() {
        if at % 2 == 0 {
            let spans = part.split('`').skip(1).step_by(2).map(str::trim);
            let spans = spans.filter(|span| span.starts_with("opsrun "));
            found.extend(spans.map(|span| (span.replace('\n', " "), false)));
            continue;
        }
        let (info, block) = part.split_once('\n').unwrap_or((part, ""));
        let lines = block.lines().map(str::trim).filter_map(|line| match info {
            "sh" | "cron" => Some(line),
            "yaml" => line.strip_prefix("run: "),
            _ => line.strip_prefix("$ "),
        });
        found.extend(lines.map(|line| (line.to_owned(), true)));
    }
    found
}

/// Why a command line cannot be typed as it stands; in prose, why no such line can.
fn wrong(words: &[String], whole: bool) -> Option<String> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion, InvalidSubcommand, UnknownArgument};
    // `COMMAND` stands for any.
    if !whole && words.get(1).is_some_and(|word| word == "COMMAND") {
        return None;
    }
    let error = Cli::try_parse_from(words).err()?;
    let counts = match error.kind() {
        DisplayHelp | DisplayVersion => false,
        kind => whole || matches!(kind, InvalidSubcommand | UnknownArgument),
    };
    counts.then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

#[test]
fn every_command_line_can_be_typed() {
    let mut seen = std::collections::BTreeSet::new();
    let mut bad = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(path(&document)).unwrap();
        for (line, whole) in typed(&text) {
            for words in calls(&line) {
                bad.extend(wrong(&words, whole).map(|why| format!("{document}: `{line}`: {why}")));
                seen.extend(words.get(1).cloned());
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    for command in <Cli as clap::CommandFactory>::command().get_subcommands() {
        assert!(
            seen.contains(command.get_name()),
            "no document shows `opsrun {command}`"
        );
    }
}

#[test]
fn a_command_line_that_cannot_be_typed_is_found() {
    for line in [
        "opsrun aply",
        "cd /srv && opsrun apply --dew --yes",
        "* * * * *  cd /srv && /usr/local/bin/opsrun apply --due --yess",
        "sudo A=b opsrun status --jsn | jq .",
        "opsrun plan --next x",
    ] {
        let calls = calls(line);
        assert_eq!(calls.len(), 1, "{line}");
        assert!(wrong(&calls[0], true).is_some(), "{line}");
    }
    assert!(calls("cargo build # opsrun aply").is_empty());
    assert!(wrong(&calls("opsrun why JOB --jsn")[0], false).is_some());
    assert_eq!(wrong(&calls("opsrun why JOB")[0], false), None);
    assert_eq!(wrong(&calls("opsrun restore 'raw/a b' > log")[0], true), None);
    assert_eq!(
        typed("so `opsrun plan` and\n```console\n$ opsrun check\nopsrun no\n```\n").len(),
        2
    );
}

/// What the runbook quotes, said by the program in trouble that is made here. Ids and times are not compared.
#[test]
fn the_runbook_quotes_what_the_program_says() {
    let runbook = std::fs::read_to_string(path("docs/runbook.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let ops = |report: &str, extra: &str| {
        let text = format!(
            "ops {{ name \"observer\"; }}\n\
             channel \"hook\" {{ command \"sh\" \"-c\" \"exit 1\"; }}\n\
             target \"report\" {{ shell \"{report}\"; }}\n\
             backup \"data\" {{ source \"data\"; to \"backup\"; needs \"target:report\"; }}\n\
             retention \"data\" backup=\"data\" {{ class \"raw\" \"raw/**\" keep=\"7d\"; max-delete files=1; }}\n{extra}\n"
        );
        std::fs::write(at("ops.kdl"), text).unwrap();
    };
    let says = |code: i32, args: &[&str], quoted: &[&str]| {
        let done = opsrun(dir.path(), args).output().unwrap();
        let said = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        assert_eq!(done.status.code(), Some(code), "{args:?}:\n{said}");
        for part in quoted {
            assert!(said.contains(part), "{args:?} does not say `{part}`:\n{said}");
            assert!(runbook.contains(part), "the runbook does not quote `{part}`");
        }
    };
    std::fs::create_dir_all(at("data/raw")).unwrap();
    std::fs::create_dir(at("backup")).unwrap();
    for (name, days) in [("raw/a", 20), ("raw/b", 30), ("n1", 0), ("n2", 0), ("n3", 0)] {
        let file = std::fs::File::create(at("data").join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400))
            .unwrap();
    }

    ops("echo reading; echo 'no such table: trades'; exit 2", "");
    says(1, &["apply", "--yes"], &[]);
    says(
        1,
        &["status"],
        &["target:report failed", "verify:data is blocked", "exit code 2"],
    );
    says(
        0,
        &["history", "last"],
        &[
            "attempt   target:report  attempt 1: exit code 2",
            "          │ no such table: trades",
        ],
    );
    says(0, &["why", "target:report"], &["  schedule   "]);
    says(1, &["alerts", "test", "hook"], &["not sent: "]);
    says(
        0,
        &["alerts", "list"],
        &["  hook     pending  ", "[observer] target:report failed: exit code 2"],
    );

    ops("exit 0", "");
    says(3, &["apply", "--yes"], &["refused   ", "allows in one run"]);
    says(0, &["plan", "--files", "--only", "backup:data"], &["target:report"]);
    says(0, &["apply", "--yes", "--over-budget", "retention:data"], &[]);
    says(
        0,
        &["restore", "raw/a", "--to", "restored"],
        &["restored  data-", "1 file restored ("],
    );

    std::fs::rename(at("backup"), at("away")).unwrap();
    says(3, &["apply", "--yes"], &["is gone, though copies were made there"]);
    std::fs::create_dir(at("backup")).unwrap();
    let help = "mount it; if this is the new destination: --accept-destination";
    says(3, &["apply", "--yes"], &["lacks its marker", help]);
    std::fs::remove_dir(at("backup")).unwrap();
    std::fs::rename(at("away"), at("backup")).unwrap();

    std::fs::write(at("data/n4"), "4").unwrap();
    says(0, &["apply", "--yes"], &[]);
    for name in ["n1", "n2", "n3"] {
        std::fs::remove_file(at("data").join(name)).unwrap();
    }
    says(
        3,
        &["apply", "--yes"],
        &["the copy is suspect, so nothing is deleted", "--accept-shrink"],
    );
    says(0, &["list"], &["  size  state", "suspect"]);

    let copies = std::fs::read_dir(at("backup"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let archive = copies.filter(|path| path.extension().is_some_and(|ext| ext == "gz"));
    let archive = archive
        .filter(|path| path.to_str().unwrap().ends_with(".tar.gz"))
        .min()
        .unwrap();
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::remove_file(&archive).unwrap();
    std::fs::write(&archive, bytes).unwrap();
    says(1, &["verify"], &["damaged   data-", "1 copy damaged, "]);

    ops("exit 0", "targte \"x\" { shell \"true\"; }");
    says(78, &["apply", "--yes"], &["`ops.kdl` is invalid: 1 error"]);
}

#[test]
fn every_sabotage_has_its_line() {
    let output = Command::new(path("tests/sabotage/run.sh"))
        .arg("--check")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "tests/sabotage/list.txt is out of step with the source:\n{said}"
    );
}
