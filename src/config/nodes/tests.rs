//! The rows of the language: names, examples, defaults.

use super::*;
use crate::config::language::spec::Fallback;
use crate::config::language::types::Type;
use crate::config::load_text;
use crate::config::nodes::channel::METHOD_SPECS;
use crate::config::nodes::check::PROBE_SPECS;
use crate::config::nodes::reader::NodeReader;
use crate::config::syntax::parser;
use crate::config::syntax::repair::repair;
use crate::config::values::{self, Datum};
use crate::time_zone::ZoneDatabase;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

fn unique(spec: &Spec) {
    let mut names: Vec<&str> = spec.all_children().map(|child| child.name).collect();
    let mut props: Vec<&str> = spec.props.iter().map(|prop| prop.name).collect();
    for list in [&mut names, &mut props] {
        let all = list.len();
        list.sort_unstable();
        list.dedup();
        assert_eq!(list.len(), all, "a name occurs twice in `{}`", spec.name);
    }
    spec.all_children().for_each(unique);
}

#[test]
fn a_name_occurs_once_among_its_siblings() {
    unique(&ROOT);
}

#[test]
fn examples_are_valid() {
    fn read(spec: &'static Spec, parent: &'static Spec) {
        if spec.absent.is_some() {
            return;
        }
        assert!(!spec.doc.is_empty(), "{}", spec.name);
        let repaired = repair(spec.example, 0, TOP_NAMES);
        assert_eq!(
            (repaired.findings.len(), repaired.pieces.len()),
            (0, 1),
            "{}",
            spec.example
        );
        let nodes = parser::parse(&repaired, &repaired.pieces[0], 0).unwrap();
        assert_eq!(nodes[0].name, spec.name);
        let mut reader = NodeReader::new(Rc::new(ZoneDatabase::of_host()));
        reader.read(&nodes[0], spec, parent);
        assert_eq!(reader.findings, [], "{}", spec.example);
        spec.all_children().for_each(|child| read(child, spec));
    }
    const FILE: &Spec = &ROOT;
    FILE.all_children().for_each(|spec| read(spec, FILE));
}

#[test]
fn names_at_the_top_occur_nowhere_else() {
    fn inside(spec: &Spec) {
        for child in spec.all_children() {
            assert!(!TOP_NAMES.contains(&child.name), "`{}` in `{}`", child.name, spec.name);
            inside(child);
        }
    }
    ROOT.all_children().for_each(inside);
    let known = ROOT
        .all_children()
        .filter(|spec| spec.absent.is_none() && spec.name != "schedule");
    assert_eq!(known.map(|spec| spec.name).collect::<Vec<_>>(), TOP_NAMES);
}

/// Calls `each` with every row that this build supports, and the path of its name.
fn rows(each: &mut impl FnMut(&str, &'static Spec)) {
    fn below(path: &str, spec: &'static Spec, each: &mut impl FnMut(&str, &'static Spec)) {
        for child in spec.all_children().filter(|child| child.absent.is_none()) {
            let path = format!("{path}/{}", child.name);
            each(&path, child);
            below(&path, child, each);
        }
    }
    const FILE: &Spec = &ROOT;
    below("", FILE, each);
}

/// The values of a text of that type.
fn read(text: &str, ty: Type) -> Vec<Datum> {
    let line = format!("x {text}");
    let repaired = repair(&line, 0, TOP_NAMES);
    assert_eq!((repaired.findings.len(), repaired.pieces.len()), (0, 1), "{line}");
    let nodes = parser::parse(&repaired, &repaired.pieces[0], 0).unwrap();
    let read = |value| values::check(value, ty, "x", &|_| String::new(), &ZoneDatabase::of_host());
    nodes[0].args.iter().map(|value| read(value).expect(&line)).collect()
}

#[test]
fn defaults_and_examples_are_of_their_type() {
    let mut seen = 0;
    rows(&mut |path, spec| {
        if let Some(Fallback::Given(args)) = spec.default {
            let (Args::One(ty) | Args::Many(ty) | Args::Maybe(ty)) = spec.args else {
                assert_eq!((spec.args, args), (Args::Flag, "#false"), "{path}");
                return;
            };
            assert_eq!(read(args, ty).len(), 1, "{path}");
            seen += 1;
        }
        for prop in spec.props {
            assert_eq!(read(prop.example, prop.ty).len(), 1, "{path} {}", prop.name);
            if let Some(Fallback::Given(value)) = prop.default {
                assert_eq!(read(value, prop.ty).len(), 1, "{path} {}", prop.name);
                seen += 1;
            }
        }
    });
    assert!(seen > 10);
}

#[test]
fn what_is_optional_has_a_default() {
    let mut silent = BTreeSet::new();
    rows(&mut |path, spec| {
        // What may occur several times may be absent.
        if !spec.required && !spec.repeats && spec.default.is_none() {
            silent.insert(path.to_owned());
        }
        for prop in spec.props {
            if !prop.required && prop.default.is_none() {
                silent.insert(format!("{path} {}", prop.name));
            }
            assert!(!(prop.required && prop.default.is_some()), "{path} {}", prop.name);
        }
    });
    // One of several that exclude each other, which the rule of the node around them says.
    for choice in [
        "/target/command",
        "/target/shell",
        "/check/job/age",
        "/check/job/duration",
        "/retention/class keyword",
        "/schedule/cron",
        "/schedule/every",
        "/assert retention",
        "/assert backup",
    ] {
        assert!(silent.remove(choice), "{choice}");
    }
    silent.retain(|path| {
        let probe = PROBE_SPECS
            .iter()
            .any(|probe| *path == format!("/check/{}", probe.name))
            || METHOD_SPECS
                .iter()
                .any(|method| *path == format!("/channel/{}", method.name));
        let source = ["from-env", "from-file", "from-command"]
            .iter()
            .any(|s| path.ends_with(s));
        !probe && !source
    });
    assert_eq!(silent, BTreeSet::new());
}

/// A file with a hole for each setting that has a default, and another value for it.
const HOLES: &[(&str, &str, &str)] = &[
    ("/ops version", "ops @ {\n}\nCHECK", "2"),
    ("/ops/timezone", "ops {\n@\n}\nCHECK", "\"Asia/Seoul\""),
    ("/import optional", "import \"gone.kdl\" @\nCHECK", "#true"),
    (
        "/check/tls-expiry/trust",
        "check \"a\" {\ntls-expiry \"x:1\" critical=\"7d\" {\n@\n}\n}",
        "\"none\"",
    ),
    (
        "/target/timeout kill-after",
        "target \"a\" {\ncommand \"x\"\ntimeout \"4m\" @\n}",
        "\"3s\"",
    ),
    (
        "/target/retry wait",
        "target \"a\" {\ncommand \"x\"\nretry max=3 @\n}",
        "\"3s\"",
    ),
    (
        "/target/retry factor",
        "target \"a\" {\ncommand \"x\"\nretry max=3 @\n}",
        "3.0",
    ),
    (
        "/target/retry cap",
        "target \"a\" {\ncommand \"x\"\nretry max=3 @\n}",
        "\"3s\"",
    ),
    ("/target/ok-codes", "target \"a\" {\ncommand \"x\"\n@\n}", "3"),
    ("/target/paused", "target \"a\" {\ncommand \"x\"\n@\n}", "#true"),
    ("/check/timeout", "check \"a\" {\ntcp \"x:1\"\n@\n}", "\"3s\""),
    (
        "/check/timeout kill-after",
        "check \"a\" {\ncommand \"x\"\ntimeout \"4m\" @\n}",
        "\"3s\"",
    ),
    ("/check/severity", "check \"a\" {\ntcp \"x:1\"\n@\n}", "\"warning\""),
    ("/check/paused", "check \"a\" {\ntcp \"x:1\"\n@\n}", "#true"),
    (
        "/backup/strategy",
        "backup \"a\" {\nsource \"/a\"\nto \"/b\"\n@\n}",
        "\"copy\"",
    ),
    (
        "/backup/strategy format",
        "backup \"a\" {\nsource \"/a\"\nto \"/b\"\nstrategy \"archive\" @\n}",
        "\"tar.zst\"",
    ),
    (
        "/backup/strategy level",
        "backup \"a\" {\nsource \"/a\"\nto \"/b\"\nstrategy \"archive\" @\n}",
        "9",
    ),
    ("/backup/contents", "BACKUP\n@\n}\nCLASS keep=\"3d\"\n}", "\"expired\""),
    ("/backup/keep last", "BACKUP\nkeep daily=7 @\n}", "3"),
    ("/backup/keep hourly", "BACKUP\nkeep last=7 @\n}", "3"),
    ("/backup/keep daily", "BACKUP\nkeep last=7 @\n}", "3"),
    ("/backup/keep weekly", "BACKUP\nkeep last=7 @\n}", "3"),
    ("/backup/keep monthly", "BACKUP\nkeep last=7 @\n}", "3"),
    ("/backup/keep yearly", "BACKUP\nkeep last=7 @\n}", "3"),
    ("/backup/floor", "BACKUP\nkeep daily=7\n@\n}", "3"),
    (
        "/backup/to require-mount",
        "backup \"b\" {\nsource \"/s\"\nto \"/t\" @\n}",
        "#true",
    ),
    ("/backup/cross-mounts", "BACKUP\n@\n}", "#true"),
    ("/backup/paused", "BACKUP\n@\n}", "#true"),
    ("/retention/class keep-newest", "BACKUP\n}\nCLASS keep=\"3d\" @\n}", "3"),
    (
        "/retention/remove-empty-dirs",
        "BACKUP\n}\nCLASS keep=\"3d\"\n@\n}",
        "#true",
    ),
    ("/retention/in-use", "BACKUP\n}\nCLASS keep=\"3d\"\n@\n}", "\"ignore\""),
    ("/retention/paused", "BACKUP\n}\nCLASS keep=\"3d\"\n@\n}", "#true"),
    (
        "/target/back-off wait",
        "target \"a\" {\ncommand \"x\"\nback-off after=3 @\n}",
        "\"3s\"",
    ),
    (
        "/target/back-off factor",
        "target \"a\" {\ncommand \"x\"\nback-off after=3 @\n}",
        "3.0",
    ),
    (
        "/target/back-off cap",
        "target \"a\" {\ncommand \"x\"\nback-off after=3 @\n}",
        "\"3h\"",
    ),
    ("/target/overlap", "target \"a\" {\ncommand \"x\"\n@\n}", "\"queue\""),
    ("/target/shell pipefail", "target \"a\" {\nshell \"x\" @\n}", "#true"),
    ("/check/shell pipefail", "check \"a\" {\nshell \"x\" @\n}", "#true"),
    (
        "/channel/shell pipefail",
        "channel \"a\" {\nshell \"x\" @\n}\nCHECK",
        "#true",
    ),
    (
        "/target/stdout min-size",
        "target \"a\" {\ncommand \"x\"\nstdout \"a-{time}\" @\n}",
        "\"3B\"",
    ),
    ("/check/fail-after", "check \"a\" {\ntcp \"x:1\"\n@\n}", "3"),
    ("/check/recover-after", "check \"a\" {\ntcp \"x:1\"\n@\n}", "3"),
    (
        "/schedule/missed max",
        "schedule \"a\" {\ncron \"30 2 * * *\"\nmissed \"all\" @\n}\nCHECK",
        "3",
    ),
    (
        "/channel/unlimited",
        "channel \"a\" {\ncommand \"x\"\n@\n}\nCHECK",
        "#true",
    ),
    (
        "/channel/min-severity",
        "channel \"a\" {\ncommand \"x\"\n@\n}\nCHECK",
        "\"critical\"",
    ),
    (
        "/channel/timeout",
        "channel \"a\" {\ncommand \"x\"\n@\n}\nCHECK",
        "\"3s\"",
    ),
];

/// The model of a file with `given` in its hole, and what was found.
fn meaning(hole: &str, given: &str) -> String {
    let text = hole
        .replace("CHECK", "check \"c\" { tcp \"x:1\"; }")
        .replace("BACKUP", "backup \"a\" {\nsource \"/srv/a\"\nto \"/b\"")
        .replace(
            "CLASS",
            "retention \"a\" backup=\"a\" {\nmax-delete files=1\nclass \"raw\" \"raw/**\"",
        )
        .replace('@', given);
    let mut loaded = load_text(Path::new("/nowhere/ops.kdl"), text.into_bytes());
    if let Some(model) = &mut loaded.model {
        // It is of the text, not of what it means.
        model.ops.digest.clear();
    }
    let codes: Vec<&str> = loaded.findings.iter().map(|finding| finding.code.id()).collect();
    format!("{codes:?} {:?}", loaded.model)
}

#[test]
fn the_decoder_has_the_defaults_of_the_table() {
    let mut known: Vec<&str> = HOLES.iter().map(|(path, ..)| *path).collect();
    let mut compare = |path: &str, given: &dyn Fn(&str) -> String, value: &str| {
        let (_, hole, other) = HOLES
            .iter()
            .find(|(of, ..)| *of == path)
            .unwrap_or_else(|| panic!("`{path}` has a default, and no file in HOLES that shows it"));
        assert_eq!(meaning(hole, ""), meaning(hole, &given(value)), "{path}");
        assert_ne!(meaning(hole, ""), meaning(hole, &given(other)), "{path}");
        known.retain(|of| *of != path);
    };
    rows(&mut |path, spec| {
        if let Some(Fallback::Given(args)) = spec.default {
            compare(path, &|value| format!("{} {value}", spec.name), args);
        }
        for prop in spec.props {
            if let Some(Fallback::Given(value)) = prop.default {
                compare(
                    &format!("{path} {}", prop.name),
                    &|value| format!("{}={value}", prop.name),
                    value,
                );
            }
        }
    });
    assert_eq!(known, Vec::<&str>::new(), "of settings without a default");
}
