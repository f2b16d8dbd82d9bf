//! The marker of a destination while a machine is added to its list of writers.
//!
//! A kill before, within and after every call around that: the marker is whole at every moment and loses no writer. The
//! next run finishes the job and leaves no unfinished marker.

use super::sweep::binary;
use super::tracer::{Call, End, Fault, Program, Trace, run};
use std::fs;
use std::path::{Path, PathBuf};

const OPS: &str = "ops version=1 { name \"t\"; }\nbackup \"b\" { source \"data\"; to \"copies\"; }\n";

const MARKER: &str =
    r#"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","ops_name":"t","writers":[{"id":"0123456789abcdef","host":"elsewhere"}]}"#;

/// Calls before and after those that name the marker: syncs have no name.
const AROUND: usize = 6;

struct Shared {
    dir: tempfile::TempDir,
}

impl Shared {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for made in ["data", "copies", "scratch"] {
            fs::create_dir(at(made)).unwrap();
        }
        fs::write(at("ops.kdl"), OPS).unwrap();
        fs::write(at("data/a"), "a").unwrap();
        fs::write(at("copies/.opsrun-destination"), MARKER).unwrap();
        Self { dir }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn apply(&self, fault: Fault) -> Trace {
        let program = Program {
            path: binary(),
            args: ["apply", "--yes", "--threads", "1", "--accept-destination"]
                .map(Into::into)
                .to_vec(),
            dir: self.dir.path().to_owned(),
            lacks: Vec::new(),
        };
        run(&program, fault, &self.at("scratch"))
    }

    fn writers(&self) -> usize {
        let text = fs::read(self.at("copies/.opsrun-destination")).unwrap();
        let marker: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(marker["id"], "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(marker["writers"][0]["id"], "0123456789abcdef");
        marker["writers"].as_array().unwrap().len()
    }
}

fn is_of_marker(call: &Call) -> bool {
    call.file_kind.contains(".opsrun-destination")
}

#[test]
fn a_kill_while_a_writer_is_added_never_costs_the_marker() {
    let undisturbed = Shared::new();
    let trace = undisturbed.apply(Fault::None);
    assert_eq!(
        (trace.end, undisturbed.writers()),
        (End::Code(0), 2),
        "{}",
        trace.stderr
    );
    let (first, last) = (
        trace.calls.iter().position(is_of_marker).unwrap(),
        trace.calls.iter().rposition(is_of_marker).unwrap(),
    );
    let mut added = [0, 0];
    for n in first.saturating_sub(AROUND) + 1..=last + 1 + AROUND {
        for fault in [Fault::KillBefore(n), Fault::KillTorn(n), Fault::KillAfter(n)] {
            let shared = Shared::new();
            shared.apply(fault);
            added[shared.writers() - 1] += 1;
            let next = shared.apply(Fault::None);
            assert_eq!(
                (next.end, shared.writers()),
                (End::Code(0), 2),
                "{fault:?}: {}",
                next.stderr
            );
            assert!(!left_behind(&shared.at("copies")), "{fault:?}");
        }
    }
    // The kills came before and after the marker was replaced.
    assert!(added[0] > 0 && added[1] > 0, "{added:?}");
}

fn left_behind(destination: &Path) -> bool {
    let names = fs::read_dir(destination).unwrap().map(|item| item.unwrap().file_name());
    names.into_iter().any(|name| name.to_string_lossy().ends_with(".tmp"))
}
