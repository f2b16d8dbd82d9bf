//! Every example, from its data to a restored file, through the program alone.
//!
//! Takes `examples/<name>`, lays its data out in a directory of its own, and does what its `run.sh` shows. What
//! must go is worked out here from names and ages, not taken from opsrun.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, and it starts programs"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

/// Path below `data` to content and age in whole days.
type Tree = BTreeMap<String, (Vec<u8>, u64)>;

struct Example {
    dir: tempfile::TempDir,
    before: Tree,
}

impl Example {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(folder.join("ops.kdl"), dir.path().join("ops.kdl")).unwrap();
        let made = Command::new("sh")
            .arg(folder.join("make-data.sh"))
            .arg(dir.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let before = tree(&dir.path().join("data"));
        assert!(before.len() > 10);
        Self { dir, before }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs opsrun, which must end with 0.
    fn opsrun(&self, args: &[&str]) -> Output {
        let done = Command::new(env!("CARGO_BIN_EXE_opsrun"))
            .args(args)
            .current_dir(self.dir.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        assert!(
            done.status.code() == Some(0),
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
        assert_eq!(
            names(&tree(&self.path("data"))),
            names(&stays),
            "exactly what expired is gone"
        );
        assert_eq!(tree(&self.path("data")), stays);
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
        assert_eq!(tree(&self.path("data")), stays, "a second run deletes nothing");
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
fn observer() {
    let example = Example::new("observer");
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
}

#[test]
fn files() {
    let example = Example::new("files");
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
