//! A directory of its own with an ops file in it, and opsrun run there.

use nix::sys::signal::{SigHandler, Signal};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

/// The program under test, of the same build as the tests.
pub const OPSRUN: &str = env!("CARGO_BIN_EXE_opsrun");

/// No program that ends at all takes this long on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// opsrun in a directory, without what the environment of the tests would change about it.
pub fn opsrun(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(OPSRUN);
    command.args(args).current_dir(dir).env("NO_COLOR", "1");
    for name in ["JOURNAL_STREAM", "NOTIFY_SOCKET", "OPSRUN_FILE", "OPSRUN_STATE_DIR"] {
        command.env_remove(name);
    }
    heed_signals(&mut command);
    command
}

/// Signals that these tests were started to ignore, as by `nohup`, are ignored by opsrun too, unless they are reset.
#[expect(unsafe_code, reason = "what happens between fork and exec is unsafe by nature")]
pub fn heed_signals(command: &mut Command) {
    // SAFETY: two system calls.
    unsafe {
        command.pre_exec(|| {
            for signal in [Signal::SIGHUP, Signal::SIGINT] {
                nix::sys::signal::signal(signal, SigHandler::SigDfl)?;
            }
            Ok(())
        });
    }
}

/// All output of a program that must end with `code`, and never with a defect of its own.
#[track_caller]
pub fn output_of(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("panicked") && !text.contains("internal error"), "{text}");
    text
}

/// Runs a program with `input` on its standard input. Kills it, and fails, when it does not end.
pub fn run_with_input(command: &mut Command, input: impl AsRef<[u8]>) -> Output {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.as_ref().to_vec());
    // A program may end without reading its input.
    std::thread::spawn(move || stdin.write_all(&input));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(TIMEOUT) else {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        panic!("{command:?} did not end within {TIMEOUT:?}");
    };
    output.unwrap()
}

/// True once the process is gone, or a zombie.
pub fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest.trim_start());
    state.is_empty() || state.starts_with(['Z', 'X'])
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes a file as old as this.
pub fn set_age(path: &Path, days: u64) {
    let time = SystemTime::now() - Duration::from_secs(days * 86_400);
    // sshfs sets both times or none.
    let times = fs::FileTimes::new().set_accessed(time).set_modified(time);
    File::open(path).unwrap().set_times(times).unwrap();
}

/// Paths and contents of all regular files below a directory.
pub fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let found = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    found
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(root).unwrap().to_str().unwrap();
            (name.to_owned(), fs::read(entry.path()).unwrap())
        })
        .collect()
}

pub struct Workspace {
    root: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

impl Workspace {
    /// With `ops.kdl`.
    pub fn new(ops: &str) -> Self {
        let workspace = Self {
            root: tempfile::tempdir().unwrap(),
            env: Vec::new(),
        };
        workspace.ops(ops);
        workspace
    }

    /// With `ops.kdl`, and an empty directory `data`.
    pub fn with_data(ops: &str) -> Self {
        let workspace = Self::new(ops);
        fs::create_dir(workspace.at("data")).unwrap();
        workspace
    }

    /// With a variable in the environment of every command.
    pub fn with_env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    /// Replaces `ops.kdl`.
    pub fn ops(&self, text: &str) {
        fs::write(self.at("ops.kdl"), text).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// A file in `data`, so many days old; its content is its path.
    pub fn file(&self, path: &str, days: u64) -> PathBuf {
        self.file_with(OsStr::new(path), days, path.as_bytes())
    }

    pub fn file_with(&self, path: &OsStr, days: u64, content: &[u8]) -> PathBuf {
        let path = self.at("data").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        set_age(&path, days);
        path
    }

    /// Makes an empty file.
    pub fn touch(&self, path: &str) {
        fs::write(self.at(path), "").unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.at(path)).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = opsrun(self.path(), args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs opsrun, which must end with `code`; gives all its output.
    #[track_caller]
    pub fn ends(&self, code: i32, args: &[&str]) -> String {
        output_of(&self.run(args), code)
    }

    /// Runs opsrun, which must end with `code`; gives its standard output, which is JSON.
    #[track_caller]
    pub fn json(&self, code: i32, args: &[&str]) -> serde_json::Value {
        let output = self.run(args);
        output_of(&output, code);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// `apply --yes`, which must end with `code`; gives all its output.
    #[track_caller]
    pub fn apply(&self, code: i32) -> String {
        self.ends(code, &["apply", "--yes"])
    }

    /// Runs opsrun as a user without privileges: this one, or 65534 when this one is root.
    pub fn run_unprivileged(&self, args: &[&str]) -> Output {
        if !is_root() {
            return self.run(args);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", OPSRUN]);
        command.args(args).current_dir(self.path()).output().unwrap()
    }

    /// Gives everything to the user of [`Self::run_unprivileged`].
    pub fn hand_over(&self) {
        if is_root() {
            for item in walkdir::WalkDir::new(self.path()) {
                std::os::unix::fs::lchown(item.unwrap().path(), Some(65534), Some(65534)).unwrap();
            }
        }
    }

    /// Paths and contents of all files in the copies of a backup, by restoring them.
    pub fn restored(&self, backup: &str) -> BTreeMap<String, Vec<u8>> {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("to");
        self.ends(0, &["restore", "--backup", backup, "**", "--to", to.to_str().unwrap()]);
        files(&to)
    }
}
