//! Every example, from its data to a restored file, through the program alone.
//!
//! Takes `examples/<name>`, lays its data out in a directory of its own, and does what its `run.sh` shows. What
//! must go is worked out here from names and ages, not taken from opsrun.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, and it starts programs"
)]

use crate::support::stub;
use crate::support::workspace::opsrun;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

/// Path below `data` to content and age in whole days.
type Tree = BTreeMap<String, (Vec<u8>, u64)>;

struct Example {
    dir: tempfile::TempDir,
    before: Tree,
    /// What the ops file takes from the environment.
    env: Vec<(&'static str, String)>,
}

impl Example {
    /// Lays out the example of that name, its data in the directory `data`.
    fn new(name: &str, data: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let dir = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with("run.sh") && !path.ends_with("make-data.sh") {
                std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let data = dir.path().join(data);
        let made = Command::new("sh")
            .arg(folder.join("make-data.sh"))
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let before = tree(&data);
        assert!(before.len() > 10);
        Self {
            dir,
            before,
            env: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs opsrun, which must end with 0.
    fn opsrun(&self, args: &[&str]) -> Output {
        self.ends_with(0, args)
    }

    /// Runs opsrun, which must end with this code.
    fn ends_with(&self, code: i32, args: &[&str]) -> Output {
        let done = opsrun(self.dir.path(), args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        assert!(
            done.status.code() == Some(code),
            "opsrun {args:?} ended with {:?}\n{}\n{}",
            done.status.code(),
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        done
    }

    fn archives(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("backup")).unwrap();
        let mut found: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        found.retain(|path| path.to_str().unwrap().ends_with(".tar.gz"));
        found.sort();
        found
    }

    /// The whole round. `expires` says which path goes at which age.
    fn round(&self, expires: &dyn Fn(&str, u64) -> bool) {
        self.opsrun(&["check", "ops.kdl"]);
        let plan = self.opsrun(&["plan", "--json"]);
        serde_json::from_slice::<serde_json::Value>(&plan.stdout).unwrap();
        assert_eq!(tree(&self.path("data")), self.before, "plan touches nothing");
        assert!(!self.path("backup").exists(), "plan makes nothing");

        let goes = |(path, (_, days)): &(&String, &(Vec<u8>, u64))| expires(path, *days);
        let gone: Vec<_> = self.before.iter().filter(goes).collect();
        let stays: Tree = self
            .before
            .clone()
            .into_iter()
            .filter(|(p, (_, d))| !expires(p, *d))
            .collect();
        assert!(gone.len() > 5 && stays.len() > 5);
        self.opsrun(&["apply", "--yes"]);
        assert_eq!(names(&self.data()), names(&stays), "exactly what expired is gone");
        assert_eq!(self.data(), stays);
        assert_eq!(self.archives().len(), 1);

        // The copy is an ordinary archive.
        let (by_tar, archive) = (self.path("by-tar"), self.archives().remove(0));
        std::fs::create_dir(&by_tar).unwrap();
        let done = Command::new("tar")
            .arg("xzf")
            .arg(archive)
            .current_dir(&by_tar)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let unpacked = tree(&by_tar);
        for (path, content) in &gone {
            assert_eq!(unpacked.get(*path), Some(*content), "{path} in the archive");
        }

        // A deleted file comes back, with its content and its age.
        let (path, content) = gone.first().unwrap();
        self.opsrun(&["restore", path, "--to", "restored"]);
        assert_eq!(
            tree(&self.path("restored")),
            Tree::from([((*path).clone(), (*content).clone())])
        );

        self.opsrun(&["apply", "--yes"]);
        assert_eq!(self.data(), stays, "a second run deletes nothing");
    }

    /// What lies in `data`, without what a pipeline makes while the example runs.
    fn data(&self) -> Tree {
        let mut data = tree(&self.path("data"));
        data.retain(|path, _| !path.ends_with("-live.jsonl"));
        data
    }
}

fn names(tree: &Tree) -> Vec<&String> {
    tree.keys().collect()
}

fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut stack = vec![root.to_owned()];
    while let Some(dir) = stack.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
                continue;
            }
            let modified = path.metadata().unwrap().modified().unwrap();
            let days = SystemTime::now().duration_since(modified).unwrap().as_secs() / 86400;
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, (std::fs::read(&path).unwrap(), days));
        }
    }
    found
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn observer() {
    let example = Example::new("observer", "data");
    example.round(&|path, days| {
        let keep = match path {
            _ if path.contains("decision") => None,
            _ if path.contains("pattern") => Some(30),
            _ if path.contains("raw") => Some(7),
            _ => None,
        };
        keep.is_some_and(|keep| days >= keep)
    });
    assert_eq!(example.archives().len(), 1, "nothing has expired: no second archive");
    let made = tree(&example.path("data"));
    let live: Vec<_> = made.iter().filter(|(path, _)| path.ends_with("-live.jsonl")).collect();
    let ticks: usize = live
        .iter()
        .map(|(_, (content, _))| content.split(|b| *b == b'\n').count() - 1)
        .sum();
    assert_eq!(ticks, 2, "the pipeline ran once in each run");

    // The broker falls silent: nothing is run, copied or deleted.
    let heartbeat = std::fs::File::options()
        .write(true)
        .open(example.path("run/heartbeat"))
        .unwrap();
    heartbeat
        .set_modified(SystemTime::now() - Duration::from_secs(2 * 3600))
        .unwrap();
    let said = example.ends_with(1, &["apply", "--yes"]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("check:broker-heartbeat"), "{said}");
    assert_eq!(tree(&example.path("data")), made);
    example.ends_with(1, &["status"]);
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn home_server() {
    let example = Example::new("home-server", ".");
    example.opsrun(&["check", "--fail-on", "warning"]);
    example.opsrun(&["graph"]);
    example.opsrun(&["apply", "--yes"]);
    let dumps = |tree: &Tree| -> Vec<String> {
        let inside = tree.keys().filter(|path| path.starts_with("dumps/"));
        inside.cloned().collect()
    };
    let after = tree(example.dir.path());
    let today = dumps(&after)
        .into_iter()
        .find(|path| !example.before.contains_key(path))
        .unwrap();
    let before: Vec<&String> = example
        .before
        .keys()
        .filter(|path| path.starts_with("dumps/"))
        .collect();
    assert!(!before.is_empty());
    for path in before {
        let (content, days) = &example.before[path];
        let name = path.strip_prefix("dumps/").unwrap();
        assert_eq!(after.contains_key(path), *days < 30, "{path}");
        if *days >= 30 {
            example.opsrun(&["restore", "--backup", "database", name, "--to", "restored"]);
            assert_eq!(std::fs::read(example.path("restored").join(name)).unwrap(), *content);
        }
    }

    // What this run's target made is in this run's copy.
    let archive = after
        .keys()
        .find(|path| path.starts_with("copies/database/") && path.ends_with(".tar.gz"));
    let listed = Command::new("tar")
        .arg("tzf")
        .arg(example.path(archive.unwrap()))
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(today.strip_prefix("dumps/").unwrap()), "{listed}");

    // The documents are a tree that can be browsed; the next one shares what did not change.
    let trees = || -> Vec<PathBuf> {
        let copies = std::fs::read_dir(example.path("copies/documents")).unwrap();
        let mut found: Vec<PathBuf> = copies.map(|e| e.unwrap().path()).filter(|path| path.is_dir()).collect();
        found.sort();
        found
    };
    let documents = trees().remove(0);
    assert_eq!(
        tree(&documents).len(),
        tree(&example.path("documents")).len() - 1,
        "all but the cache"
    );
    std::fs::write(example.path("documents/letters/new.txt"), "new").unwrap();
    example.opsrun(&["apply", "--yes", "--only", "backup:documents"]);
    assert_eq!(trees().len(), 2);
    assert!(trees().iter().any(|tree| tree.join("letters/new.txt").exists()));
    example.opsrun(&["status"]);
    example.opsrun(&["verify"]);
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn web_company() {
    const TOKEN: &str = "Bearer example-token-4711";
    let mut example = Example::new("web-company", ".");
    let shop = stub::answers(stub::answer("200 OK", "", r#"{"status": "UP", "queue": {"stuck": 0}}"#));
    example.env = vec![
        ("SHOP_TOKEN", TOKEN.to_owned()),
        ("SHOP_HEALTH_URL", "http://127.0.0.1:9/health".to_owned()),
    ];
    example.opsrun(&["check"]);
    let logs = |tree: &Tree| -> Tree {
        let inside = tree.iter().filter(|(path, _)| path.starts_with("logs/"));
        inside.map(|(path, content)| (path.clone(), content.clone())).collect()
    };
    example.ends_with(1, &["apply", "--yes"]);
    assert_eq!(
        logs(&tree(example.dir.path())),
        logs(&example.before),
        "the shop does not answer: its logs stay"
    );

    example.env[1].1 = format!("http://{}/health", shop.address);
    example.opsrun(&["apply", "--yes"]);
    let request = shop.received.recv().unwrap();
    assert!(request.contains(&format!("authorization: {TOKEN}\r\n")), "{request}");
    let mut gone = 0;
    for (path, (_, days)) in &logs(&example.before) {
        let keep = if path.contains("access-") { 14 } else { 60 };
        assert_eq!(example.path(path).exists(), *days < keep, "{path}");
        gone += usize::from(*days >= keep);
    }
    assert!(gone > 5);
    example.opsrun(&["restore", "--backup", "logs", "**", "--to", "restored"]);
    assert!(tree(&example.path("restored")).len() >= gone);
    for (path, (content, _)) in tree(example.dir.path()) {
        let text = String::from_utf8_lossy(&content);
        assert!(
            !text.contains("token-4711") && !text.contains(&shop.address.to_string()),
            "{path} holds a secret"
        );
    }
}

#[test]
fn files() {
    let example = Example::new("files", "data");
    example.round(&|path, days| match path {
        "logs/app-4.log" | "logs/app-5.log" => false,
        _ if path.starts_with("exports/pinned/") => false,
        _ if path.starts_with("exports/") => days >= 14,
        _ => path.starts_with("logs/") && days >= 3,
    });
    let data = example.path("data");
    assert!(
        !data.join("exports/last-year").exists(),
        "a directory that the run emptied goes"
    );
    assert!(data.join("exports/daily").exists());
    assert_eq!(example.archives().len(), 2, "every run makes a full copy");
    let archive = example.archives().remove(1);
    let listed = Command::new("tar").arg("tzf").arg(archive).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("notes/read me.txt"));
    assert!(!listed.contains("scratch") && !listed.contains("logo"), "{listed}");
}
