//! What valid files mean: every setting arrives in the model, defaults are filled in, paths are absolute.
#![expect(clippy::panic, reason = "a test may fail by panicking")]

use opsrun::config::{LoadError, load, load_text};
use opsrun::model::{Contents, InUse, Keep, Matches, Model, Strategy};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn model(text: &str) -> Model {
    let loaded = load_text(Path::new("/etc/opsrun/observer.kdl"), text.as_bytes().to_vec());
    loaded
        .model
        .as_ref()
        .unwrap_or_else(|| panic!("{}", loaded.render(false, 100)))
        .clone()
}

const DAY: Duration = Duration::from_hours(24);

#[test]
fn every_setting_arrives() {
    let loaded = load(Path::new("tests/findings/good/full.kdl")).unwrap();
    let model = loaded.model.expect("valid");
    assert_eq!(model.ops.name, "observer");
    assert_eq!(model.ops.timezone.name(), "Asia/Seoul");
    assert_eq!(model.ops.concurrency, Some(4));
    let here = std::env::current_dir().unwrap().join("tests/findings/good");
    assert_eq!(model.ops.state_dir, here.join(".opsrun/observer"));
    assert_eq!(model.ops.files, [here.join("full.kdl")]);
    assert_eq!(model.ops.digest.len(), 64);
    let backup = model.backup("observer").unwrap();
    assert_eq!(backup.source, PathBuf::from("/srv/observer/data"));
    assert_eq!(backup.to, PathBuf::from("/backup/observer"));
    assert_eq!(backup.select.include.len(), 3);
    assert_eq!(backup.select.exclude[0].as_str(), "tmp/**");
    assert_eq!(
        (backup.strategy, backup.contents, backup.floor),
        (Strategy::Archive { level: 6 }, Contents::Expired, 2)
    );
    assert_eq!(backup.stall, Some(3 * DAY));
    assert_eq!(backup.timeout, Some(Duration::from_hours(4)));
    assert!(backup.cross_mounts && !backup.paused);
    assert_eq!(backup.keep.as_ref().unwrap().deleted, Some(2 * 366 * DAY));
    let logs = model.backup("logs").unwrap();
    assert_eq!(logs.source, here.parent().unwrap().join("logs"));
    let keep = logs.keep.as_ref().unwrap();
    assert_eq!(
        (
            keep.last,
            keep.hourly,
            keep.daily,
            keep.weekly,
            keep.monthly,
            keep.yearly
        ),
        (7, 24, 14, 8, 12, 3)
    );
    assert_eq!(keep.within, Some(30 * DAY));
    let retention = model.retentions_of("observer").next().unwrap();
    assert!(matches!(&retention.classes[0].matches, Matches::Keyword(word) if word == "decision"));
    assert_eq!(retention.classes[0].keep, Keep::Forever);
    assert!(matches!(&retention.classes[2].matches, Matches::Globs(globs) if globs[0].as_str() == "raw/**"));
    assert_eq!(
        (retention.classes[2].keep, retention.classes[2].keep_newest),
        (Keep::For(7 * DAY), 24)
    );
    assert_eq!(retention.exclude[0].as_str(), "raw/pinned/**");
    let budget = retention.max_delete;
    assert_eq!(
        (budget.files, budget.bytes, budget.share),
        (Some(50_000), Some(200 << 30), Some(20))
    );
    assert!(retention.remove_empty_dirs);
    assert_eq!(retention.in_use, InUse::Keep);
}

#[test]
fn defaults_are_filled_in() {
    let model = model("backup \"a\" { source \"data\"; to \"../../mnt/./b\"; }");
    assert_eq!(model.ops.name, "observer");
    assert_eq!(model.ops.timezone, chrono_tz::UTC);
    assert_eq!(model.ops.state_dir, PathBuf::from("/etc/opsrun/.opsrun/observer"));
    assert_eq!(model.ops.concurrency, None);
    let backup = &model.backups[0];
    assert_eq!(backup.source, PathBuf::from("/etc/opsrun/data"));
    assert_eq!(backup.to, PathBuf::from("/mnt/b"));
    assert_eq!(
        (backup.strategy, backup.contents, backup.floor),
        (Strategy::Archive { level: 6 }, Contents::All, 1)
    );
    assert!(backup.keep.is_none() && backup.stall.is_none() && !backup.cross_mounts && !backup.paused);
}

#[test]
fn imports_are_read_in_order_and_change_the_digest() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir_all(dir.path().join("conf.d/deep")).unwrap();
    write("ops.kdl", "import \"conf.d/**/*.kdl\"\n");
    write("conf.d/b.kdl", "backup \"b\" { source \"x\"; to \"/backup/b\"; }");
    write("conf.d/deep/a.kdl", "backup \"a\" { source \"x\"; to \"/backup/a\"; }");
    let read = || load(&dir.path().join("ops.kdl")).unwrap().model.unwrap();
    let model = read();
    let names: Vec<_> = model
        .ops
        .files
        .iter()
        .map(|f| f.strip_prefix(dir.path()).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(names, ["ops.kdl", "conf.d/b.kdl", "conf.d/deep/a.kdl"]);
    assert_eq!(model.backup("a").unwrap().source, dir.path().join("conf.d/deep/x"));
    write("conf.d/b.kdl", "backup \"b\" { source \"y\"; to \"/backup/b\"; }");
    assert_ne!(read().ops.digest, model.ops.digest);
}

#[test]
fn what_cannot_be_read_is_no_finding() {
    for path in ["tests/no-such-file.kdl", "tests"] {
        assert!(
            matches!(load(Path::new(path)), Err(LoadError::Unreadable { .. })),
            "{path}"
        );
    }
}

#[test]
fn what_could_not_be_read_causes_no_more_findings() {
    let codes = |text: &str| -> Vec<&str> {
        let loaded = load_text(Path::new("ops.kdl"), text.as_bytes().to_vec());
        loaded.findings.iter().map(|f| f.code.id()).collect()
    };
    let retention = "retention \"r\" backup=\"a\" { class \"old\" \"**\" keep=\"1d\"; max-delete files=1; }\n";
    for broken in [
        "backup \"a\" { { } }\n",
        "backup \"a\" { source \"/x\"; to \"/y\" \n",
        "backup \"a\" { source /x; to \"/y\"; }\n",
        "bakcup \"a\" { source \"/x\"; to \"/y\"; }\n",
        "import \"none.kdl\"\n",
    ] {
        assert_eq!(codes(&format!("{broken}{retention}")).len(), 1, "{broken}");
    }
    // But what is known stays known.
    assert_eq!(
        codes(&format!("backup \"b\" {{ source /x; to \"/y\"; }}\n{retention}")),
        ["OPS1001", "OPS3002"]
    );
}
