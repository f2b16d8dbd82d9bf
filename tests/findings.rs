//! The corpus of findings: every file of `tests/findings` yields exactly the code that it is named after, and
//! looks as its snapshot says; every file of `tests/findings/good` yields nothing.

use opsrun::config::{self, Loaded};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn files(dir: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "kdl"))
        .collect();
    files.sort();
    files
}

fn load(path: &Path) -> Loaded {
    config::load(path).unwrap()
}

fn codes(loaded: &Loaded) -> BTreeSet<&'static str> {
    loaded.findings.iter().map(|finding| finding.code.id()).collect()
}

#[test]
fn each_file_yields_the_code_it_is_named_after() {
    for path in files("tests/findings") {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let loaded = load(&path);
        let text = loaded.render(false, 100);
        let wanted = stem.split('-').next().unwrap();
        if wanted != "many" {
            assert_eq!(codes(&loaded), BTreeSet::from([wanted]), "{}\n{text}", path.display());
            let slug = loaded.findings[0].code.slug();
            assert!(stem[wanted.len() + 1..].starts_with(slug), "{stem} is about {slug}");
        }
        assert_eq!(loaded.model.is_some(), loaded.errors() == 0, "{}", path.display());
        insta::with_settings!({ snapshot_path => "findings/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(stem, text);
        });
    }
}

#[test]
fn good_files_yield_nothing() {
    for path in files("tests/findings/good") {
        let loaded = load(&path);
        assert!(
            loaded.findings.is_empty(),
            "{}\n{}",
            path.display(),
            loaded.render(false, 100)
        );
        assert!(loaded.model.is_some());
        assert_eq!(loaded.render(true, 100), "");
    }
}
