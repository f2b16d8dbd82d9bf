//! No output of any command holds a secret that is in the file, however it is written, and whatever else is wrong.

use super::{Place, told};
use proptest::prelude::*;
use std::fmt::Write as _;

/// Every command that reads a file and shows something of it.
const COMMANDS: &[&[&str]] = &[
    &["check", "s.kdl"],
    &["check", "--diff", "s.kdl"],
    &["check", "--fix", "s.kdl"],
    &["check", "--fix", "--format", "json", "s.kdl"],
    &["check", "--format", "json", "s.kdl"],
    &["check", "--format", "sarif", "s.kdl"],
    &["check", "--format", "github", "s.kdl"],
    &["check", "--format", "junit", "s.kdl"],
    &["check", "--host", "s.kdl"],
    &["fmt", "--diff", "s.kdl"],
    &["fmt", "--check", "s.kdl"],
    &["plan", "s.kdl"],
    &["plan", "--json", "s.kdl"],
    &["apply", "s.kdl"],
    &["graph", "s.kdl"],
    &["status", "s.kdl"],
    &["status", "--json", "s.kdl"],
    &["why", "target:a", "s.kdl"],
    &["simulate", "s.kdl"],
    &["history", "s.kdl"],
];

/// The forms that OPS7001 documents. `@` stands for the secret.
const FORMS: &[&str] = &[
    "target \"a\" {\n    command \"true\"\n    env \"DB_PASSWORD\" \"@\"\n}\n",
    "target \"a\" {\n    command \"true\"\n    env \"API_KEY\" #\"@\"#\n}\n",
    "target \"a\" {\n    command \"true\"\n    env \"PASS\\u{57}ORD\" \"@\"\n}\n",
    "target \"a\" {\n    command \"true\"\n    env \"CLIENT_SECRET\" \"\"\"\n        @\n        \"\"\"\n}\n",
    "target \"a\" {\n    command \"tool\" \"--password=@\"\n}\n",
    "target \"a\" {\n    command \"tool\" \"--api-token\" \"@\" \"x\"\n}\n",
    "target \"a\" {\n    shell \"PGPASSWORD='@' pg_dump app | gzip > /b/x\"\n}\n",
    "target \"a\" {\n    command \"sh\" \"-c\" \"export API_TOKEN='@'; run\"\n}\n",
    "target \"a\" {\n    command \"curl\" \"-H\" \"Authorization: Bearer @\" \"https://example.com\"\n}\n",
    "target \"a\" {\n    command \"wget\" \"--header=X-Api-Key: @\" \"https://example.com\"\n}\n",
    "target \"a\" {\n    command \"curl\" \"-u\" \"admin:@\" \"https://example.com\"\n}\n",
    "target \"a\" {\n    command \"mysqldump\" \"-p@\" \"shop\"\n}\n",
    "target \"a\" {\n    shell \"sshpass -p '@' scp a b:\"\n}\n",
    "check \"a\" {\n    http \"https://example.com/\" {\n        header \"X-Auth-Token\" \"@\"\n    }\n}\n",
    "channel \"a\" {\n    telegram { token \"@\"; chat \"-1\"; }\n}\n",
    "channel \"a\" {\n    slack {\n        url \"https://chat.example.com/hooks/@\"\n    }\n}\n",
    "channel \"a\" { pagerduty { routing-key \"@\"; }; }\n",
    "// env \"DB_PASSWORD\" \"@\"\n",
    "/-target \"a\" { env \"DB_TOKEN\" \"@\"; }\n",
];

/// The same for secrets without anything that means something in a URL or a token.
const PLAIN_FORMS: &[&str] = &[
    "check \"a\" {\n    http \"https://me:@@example.com/\"\n}\n",
    "check \"a\" {\n    http \"https://hooks.slack.com/services/T0/B0/@\"\n}\n",
    "target \"a\" {\n    command \"git\" \"push\" \"https://x:@@git.example.com/a\"\n}\n",
    "target \"a\" {\n    command \"tool\" \"ghp_0123456789@\"\n}\n",
];

/// What may be wrong beside it: in the same line, or around it.
const SLIPS: &[(&str, &str)] = &[
    ("target", "taget"),
    ("command", "comand"),
    ("    env", "    evn"),
    ("    header", "    heder"),
    ("\n}", "\n    timeout 5x\n}"),
    ("\n}", "\n    needs \"target:b\"\n}"),
    ("\n}", ""),
    ("{", "{ {"),
    ("\"true\"", "'true'"),
    (" \"", " = \""),
    ("\" \"", "\", \""),
];

fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9]{9,40}",
        "[A-Za-z0-9][A-Za-z0-9!%&()*+,./:;<=>?@_|~-]{8,30}[A-Za-z0-9]",
        "[a-z]{5,9} [a-z]{5,9} [a-z]{5,9}",
    ]
}

/// The parts of a secret by which it could be known.
fn assert_hidden(shown: &str, secret: &str, what: &str) {
    for part in [secret]
        .into_iter()
        .chain(secret.split(' '))
        .filter(|part| part.len() > 8)
    {
        assert!(!shown.contains(part), "{what} shows `{part}`:\n{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn no_output_holds_a_planted_secret(
        secret in secret(),
        plain in "[A-Za-z0-9]{20,40}",
        slip in prop::option::of(prop::sample::select(SLIPS)),
        indent in any::<bool>(),
    ) {
        let place = Place::new();
        let files = FORMS.iter().map(|form| (*form, &secret)).chain(PLAIN_FORMS.iter().map(|form| (*form, &plain)));
        let mut all = String::new();
        for (form, planted) in files {
            let mut text = form.replacen('@', planted, 1);
            if let Some((right, wrong)) = slip {
                text = text.replacen(right, wrong, 1);
            }
            writeln!(all, "{}", if indent { text.replace("\n    ", "\n  ") } else { text }).unwrap();
        }
        let path = place.path().join("s.kdl");
        for arguments in COMMANDS {
            std::fs::write(&path, &all).unwrap();
            let shown = told(&place.run(arguments));
            for planted in [&secret, &plain] {
                assert_hidden(&shown, planted, &arguments.join(" "));
            }
        }
    }
}
