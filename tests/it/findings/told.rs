//! What people are told who do not know the language yet: habits of other languages, one finding each, and what `--fix`
//! would make of them.

use super::look;
use opsrun::config::findings::apply_fixes::fix;
use opsrun::config::{CheckOptions, check};
use std::fmt::Write as _;
use std::path::Path;

/// A file with one mistake in it, the rest being as it should be.
fn file(at: &str, line: &str) -> String {
    let two = "source \"/srv/a\"\nto \"/backup/a\"\n";
    match at {
        "target" => format!("target \"a\" {{\ncommand \"x\"\n    {line}\n}}\n"),
        "only" => format!("target \"a\" {{\n    {line}\n}}\n"),
        "check" => format!("check \"a\" {{\n    {line}\n}}\n"),
        "backup" => format!("backup \"a\" {{\n{two}{line}\n}}\n"),
        "source" => format!("backup \"a\" {{\nto \"/backup/a\"\n    {line}\n}}\n"),
        "retention" => format!(
            "backup \"a\" {{\n{two}}}\nretention \"a\" backup=\"a\" {{\nmax-delete files=5\nclass \"a\" \"**\" keep=\"30d\"\n    {line}\n}}\n"
        ),
        "class" => {
            format!("backup \"a\" {{\n{two}}}\nretention \"a\" backup=\"a\" {{\nmax-delete files=5\n    {line}\n}}\n")
        }
        "channel" => format!("channel \"a\" {{\n    {line}\n}}\ntarget \"t\" {{ command \"x\"; notify \"a\"; }}\n"),
        "ops" => format!("ops {{\n    {line}\n}}\ntarget \"t\" {{ command \"x\"; }}\n"),
        "file" => format!("{line}\n"),
        _ => format!("target \"t\" {{ command \"x\"; }}\n    {line}\n"),
    }
}

const SAID: &[(&str, &[&str])] = &[
    (
        "target",
        &[
            "cmd \"y\"",
            "args \"-a\"",
            "workdir \"/srv\"",
            "depends_on \"backup:a\"",
            "interval \"5m\"",
            "at \"03:00\"",
            "retries 3",
            "enabled #true",
            "on-failure \"mail\"",
            "code 0",
            "from \"x\"",
            "crit 5",
            "env-file \".env\"",
            "comment \"why\"",
            "timeout 30",
            "retry max=3 warn=\"5s\"",
            "retry max=3 last=5",
            "cron \"0 3 * * * *\"",
            "cron \"0 0 3 * * *\"",
            "env { MODE: \"live\" }",
            "env \"A\" \"glued\"text",
            "timeout \"5m\" \\\nneeds \"check:b\"",
            "timeout \"5m\" kill-after \"1s\"",
        ],
    ),
    (
        "only",
        &[
            "command rsync -a --delete=yes",
            "command \"x\" timeout=\"5m\"",
            "command \"tar\" 1.10",
            "command 'it''s'",
            "command 'a\"b'",
            "comand \"x\"",
            "command \"x\" --flag=1 --other=two",
            "run \"x\"",
            "command \"a\" 1,000",
        ],
    ),
    (
        "check",
        &[
            "disk-space \"/\" warn=\"90%\" critical=\"95%\"",
            "disk-space \"/\" warn=\"80%\"",
            "disk-space \"/\" warn=\"10%\" critical=\"15%\"",
            "http \"http://x\" expect=200 timeout=\"5s\"",
            "http url=\"http://x\"",
            "url \"http://x\"",
            "disk \"/\"",
            "glob \"*\"",
            "comment \"reboot\"",
            "http \"http://x\" { code 200; }",
            "file-age \"x\" wait=\"5m\"",
            "file-age \"x\" crit=\"5m\"",
            "tcp \"h:1\"; severity \"crit\"",
        ],
    ),
    (
        "backup",
        &[
            "step 1",
            "shell \"x\"",
            "rotate 7",
            "encryption \"gpg\"",
            "compress \"gzip\"",
            "keep wait=3",
            "schedules \"x\"",
        ],
    ),
    (
        "source",
        &[
            "source \"/a\" \"/b\"",
            "src \"/a\"",
            "path \"/a\"",
            "dest \"/a\"\nsource \"/b\"",
        ],
    ),
    ("retention", &["include \"*.log\"", "older-than \"30d\""]),
    (
        "class",
        &[
            "class \"*.dump\" keep=\"30d\"",
            "class \"a\" \"**\" ttl=\"30d\"",
            "class \"a\" \"**\" keep \"30d\"",
        ],
    ),
    (
        "channel",
        &[
            "webhook \"https://hooks.example.com/x\"",
            "notify \"x\"",
            "email \"ops@example.com\"",
        ],
    ),
    (
        "ops",
        &[
            "backup \"a\" { source \"/a\"; to \"/b\"; }",
            "time \"UTC\"",
            "date \"UTC\"",
        ],
    ),
    (
        "top",
        &[
            "job \"a\" { command \"x\"; }",
            "alert \"a\" { command \"x\"; }",
            "port 80",
            "policy \"a\" { keep 7; }",
            "include \"conf.d/*.kdl\"",
            "healthcheck \"a\" { http \"http://x\"; }",
            "backup \"a\" { source \"/a\"; to \"/b\"; }\nretention \"a\" backup: \"a\" { class \"a\" \"**\" keep=\"30d\"; max-delete files=5; }",
        ],
    ),
    (
        "file",
        &[
            "backups:\n  db:\n    source: /srv/db\n    to: /backup/db",
            "checks:\n  - name: web\n    url: http://x",
            "[backup.db]\nsource = \"/srv/db\"\nto = \"/backup/db\"",
            "[target.report]\ncommand = \"bin/x\"",
            "MAILTO=me\n0 3 * * * /usr/local/bin/backup.sh --all",
        ],
    ),
];

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn habits_of_other_languages_are_told() {
    let mut all = String::new();
    for (at, lines) in SAID {
        for line in *lines {
            let text = file(at, line);
            let options = CheckOptions {
                host: false,
                ..look(Path::new(""))
            };
            let loaded = check(Path::new("ops.kdl"), text.clone().into_bytes(), options);
            let _ = writeln!(all, "in {at}: {line}");

            assert!(!loaded.findings.is_empty(), "{line}");
            for finding in &loaded.findings {
                let _ = writeln!(all, "    {} {}", finding.code.id(), finding.message);
                let _ = writeln!(all, "        {}", finding.help.as_deref().unwrap_or("no help"));
            }
            let fixed = fix(
                Path::new("ops.kdl"),
                text.clone().into_bytes(),
                false,
                look(Path::new("")),
            );
            for file in &fixed.files {
                let new = file.new.lines().filter(|line| text.lines().all(|old| old != *line));
                for line in new {
                    let _ = writeln!(all, "    fixed: {line}");
                }
            }
        }
    }
    insta::with_settings!({ snapshot_path => "../../findings/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("told", all);
    });
}
