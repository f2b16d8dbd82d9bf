//! Runs a program and interferes with it at one exact system call.
//!
//! Takes a program and a [`Fault`]; follows all its threads and children, counts every call that changes a
//! file system with one counter over all of them, and at the call with the wanted number kills, tears, signals
//! or fails. Gives a [`Trace`]: how the program ended, its calls and its output.
//! A seccomp filter stops the program at these calls only, so that a traced run costs little more than a plain
//! one. Knows nothing of opsrun: [`super::self_test`] tries it on ordinary programs.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What to do, and at which call. Calls are numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: count.
    None,
    /// SIGKILL; the call does not happen.
    KillBefore(usize),
    /// The call moves only half of its bytes; then SIGKILL.
    KillTorn(usize),
    /// The call happens whole; then SIGKILL.
    KillAfter(usize),
    /// SIGTERM; the program goes on as it likes.
    Terminate(usize),
    /// The call does not happen and answers with this error.
    Fail(usize, Errno),
    /// The call happens and answers with this error all the same, as where a network loses the answer.
    LoseAnswer(usize, Errno),
    /// Another program does something before the call, which then happens.
    Meanwhile(usize),
    /// The listing of this number does not happen and answers with this error. Listings change nothing and are counted
    /// apart.
    FailListing(usize, Errno),
}

impl Fault {
    /// The number of the call, if there is one.
    pub fn at(self) -> Option<usize> {
        match self {
            Self::None | Self::FailListing(..) => None,
            Self::KillBefore(n)
            | Self::KillTorn(n)
            | Self::KillAfter(n)
            | Self::Terminate(n)
            | Self::Fail(n, _)
            | Self::LoseAnswer(n, _)
            | Self::Meanwhile(n) => Some(n),
        }
    }
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With an exit code.
    Code(i32),
    /// Killed by a signal.
    Signal(Signal),
}

/// What a traced program did.
#[derive(Debug)]
pub struct Trace {
    /// How it ended.
    pub end: End,
    /// The calls that change something, in order.
    pub calls: Vec<Call>,
    /// How many calls listed a directory.
    pub listings: usize,
    /// The call that was interfered with, for people; `None` when the program made fewer calls.
    pub hit: Option<String>,
    /// True when it was killed because it ran longer than [`LIMIT`].
    pub hung: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A call that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: &'static str,
    /// The kind of file that it changes, as far as its name shows it; looked up in undisturbed runs only.
    pub file_kind: String,
    /// What it changes: a path, or a name in some directory; looked up in undisturbed runs only.
    pub target: String,
    /// True when it moves more than one byte, so that half of it can be done.
    pub tearable: bool,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Where.
    pub dir: PathBuf,
    /// What the file systems lack that it works on.
    pub lacks: Vec<Lack>,
}

/// A call that a file system refuses each time, as FUSE and NFS do.
#[derive(Debug, Clone)]
pub struct Lack {
    /// `renameat2` only with flags.
    pub call: &'static str,
    /// On files and directories below.
    pub below: PathBuf,
    pub errno: Errno,
}

/// No program of these tests may take longer.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The register with the number of bytes that a call moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moves {
    Nothing,
    Third,
    Fourth,
    Fifth,
}

/// How to find out whether a call changes something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changes {
    Always,
    /// Open flags in the second argument.
    FlagsSecond,
    /// Open flags in the third argument.
    FlagsThird,
    /// Open flags at the start of what the third argument points to.
    FlagsBehindThird,
}

/// What the first argument leads to, for messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// A file descriptor.
    Fd,
    /// A path.
    Path,
    /// A directory, and then a path.
    At,
}

/// Every call that changes a file system, on Linux.
const CALLS: &[(libc::c_long, &str, Changes, Moves, Names)] = {
    use Changes::{Always, FlagsBehindThird, FlagsSecond, FlagsThird};
    use Moves::{Fifth, Fourth, Nothing, Third};
    use Names::{At, Fd, Path};
    &[
        (libc::SYS_write, "write", Always, Third, Fd),
        (libc::SYS_pwrite64, "pwrite64", Always, Third, Fd),
        (libc::SYS_writev, "writev", Always, Third, Fd),
        (libc::SYS_pwritev, "pwritev", Always, Third, Fd),
        (libc::SYS_pwritev2, "pwritev2", Always, Third, Fd),
        (libc::SYS_sendto, "sendto", Always, Third, Fd),
        (libc::SYS_sendfile, "sendfile", Always, Fourth, Fd),
        (libc::SYS_splice, "splice", Always, Fifth, Fd),
        (libc::SYS_copy_file_range, "copy_file_range", Always, Fifth, Fd),
        (libc::SYS_fsync, "fsync", Always, Nothing, Fd),
        (libc::SYS_fdatasync, "fdatasync", Always, Nothing, Fd),
        (libc::SYS_sync_file_range, "sync_file_range", Always, Nothing, Fd),
        (libc::SYS_syncfs, "syncfs", Always, Nothing, Fd),
        (libc::SYS_open, "open", FlagsSecond, Nothing, Path),
        (libc::SYS_openat, "openat", FlagsThird, Nothing, At),
        (libc::SYS_openat2, "openat2", FlagsBehindThird, Nothing, At),
        (libc::SYS_creat, "creat", Always, Nothing, Path),
        (libc::SYS_rename, "rename", Always, Nothing, Path),
        (libc::SYS_renameat, "renameat", Always, Nothing, At),
        (libc::SYS_renameat2, "renameat2", Always, Nothing, At),
        (libc::SYS_unlink, "unlink", Always, Nothing, Path),
        (libc::SYS_unlinkat, "unlinkat", Always, Nothing, At),
        (libc::SYS_rmdir, "rmdir", Always, Nothing, Path),
        (libc::SYS_mkdir, "mkdir", Always, Nothing, Path),
        (libc::SYS_mkdirat, "mkdirat", Always, Nothing, At),
        (libc::SYS_mknod, "mknod", Always, Nothing, Path),
        (libc::SYS_mknodat, "mknodat", Always, Nothing, At),
        (libc::SYS_link, "link", Always, Nothing, Path),
        (libc::SYS_linkat, "linkat", Always, Nothing, At),
        (libc::SYS_symlink, "symlink", Always, Nothing, Path),
        (libc::SYS_symlinkat, "symlinkat", Always, Nothing, Path),
        (libc::SYS_truncate, "truncate", Always, Nothing, Path),
        (libc::SYS_ftruncate, "ftruncate", Always, Nothing, Fd),
        (libc::SYS_fallocate, "fallocate", Always, Nothing, Fd),
        (libc::SYS_chmod, "chmod", Always, Nothing, Path),
        (libc::SYS_fchmod, "fchmod", Always, Nothing, Fd),
        (libc::SYS_fchmodat, "fchmodat", Always, Nothing, At),
        (libc::SYS_chown, "chown", Always, Nothing, Path),
        (libc::SYS_fchown, "fchown", Always, Nothing, Fd),
        (libc::SYS_fchownat, "fchownat", Always, Nothing, At),
        (libc::SYS_lchown, "lchown", Always, Nothing, Path),
        (libc::SYS_utimensat, "utimensat", Always, Nothing, At),
        (libc::SYS_setxattr, "setxattr", Always, Nothing, Path),
        (libc::SYS_lsetxattr, "lsetxattr", Always, Nothing, Path),
        (libc::SYS_fsetxattr, "fsetxattr", Always, Nothing, Fd),
        (libc::SYS_removexattr, "removexattr", Always, Nothing, Path),
        (libc::SYS_lremovexattr, "lremovexattr", Always, Nothing, Path),
        (libc::SYS_fremovexattr, "fremovexattr", Always, Nothing, Fd),
    ]
};

/// The call that lists a directory.
const LISTING: libc::c_long = libc::SYS_getdents64;

/// Runs `program` under `fault`. The program's standard streams go to files in `scratch`.
///
/// Must not be called while the calling thread has other children.
pub fn run(program: &Program, fault: Fault, scratch: &Path) -> Trace {
    run_while(program, fault, scratch, &mut || {})
}

/// The same, with `meanwhile` called at [`Fault::Meanwhile`].
pub fn run_while(program: &Program, fault: Fault, scratch: &Path, meanwhile: &mut dyn FnMut()) -> Trace {
    let (out, err) = (scratch.join("stdout"), scratch.join("stderr"));
    let root = start(program, &out, &err);
    let (done, watch) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let late = watch.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
        if late {
            let _ = kill(root, Signal::SIGKILL);
        }
        late
    });
    let mut driver = Driver {
        root,
        fault,
        lacks: &program.lacks,
        meanwhile,
        seen: BTreeSet::from([root]),
        calls: Vec::new(),
        listings: 0,
        hit: None,
        end: None,
    };
    driver.drive();
    drop(done);
    let hung = watchdog.join().unwrap();
    let text = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    Trace {
        end: driver.end.unwrap(),
        calls: driver.calls,
        listings: driver.listings,
        hit: driver.hit,
        hung,
        stdout: text(&out),
        stderr: text(&err),
    }
}

/// Starts the program with the filter in place.
#[expect(clippy::zombie_processes, reason = "the driver waits for it, by its id")]
fn start(program: &Program, out: &Path, err: &Path) -> Pid {
    let filter = filter();
    let mut command = Command::new(&program.path);
    command
        .args(&program.args)
        .current_dir(&program.dir)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(File::create(out).unwrap())
        .stderr(File::create(err).unwrap());
    let prepare = move || {
        ptrace::traceme()?;
        install(&filter)
    };
    #[expect(
        unsafe_code,
        reason = "only the child itself can ask to be traced, between fork and exec"
    )]
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes three system
    // calls on memory that was allocated before the fork, and builds errors from their numbers only.
    unsafe {
        command.pre_exec(prepare);
    }
    let child = command
        .spawn()
        .unwrap_or_else(|e| panic!("cannot run {}: {e}", program.path.display()));
    let root = Pid::from_raw(i32::try_from(child.id()).unwrap());
    // The exec under PTRACE_TRACEME stops with SIGTRAP.
    let stop = waitpid(root, Some(WaitPidFlag::__WALL)).unwrap();
    assert_eq!(stop, WaitStatus::Stopped(root, Signal::SIGTRAP));
    ptrace::setoptions(
        root,
        ptrace::Options::PTRACE_O_TRACESECCOMP
            | ptrace::Options::PTRACE_O_TRACECLONE
            | ptrace::Options::PTRACE_O_TRACEFORK
            | ptrace::Options::PTRACE_O_TRACEVFORK
            | ptrace::Options::PTRACE_O_TRACEEXEC
            | ptrace::Options::PTRACE_O_TRACESYSGOOD
            | ptrace::Options::PTRACE_O_EXITKILL,
    )
    .unwrap();
    ptrace::cont(root, None).unwrap();
    root
}

/// A filter that hands the calls of [`CALLS`] to the tracer and lets everything else pass.
fn filter() -> Vec<libc::sock_filter> {
    let statement = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    // The number of the call is the first word of the data that a filter sees.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    let numbers = CALLS.iter().map(|(nr, ..)| *nr).chain([LISTING]);
    for (at, nr) in numbers.enumerate() {
        let to_trace = u8::try_from(CALLS.len() + 1 - at).unwrap();
        program.push(statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            u32::try_from(nr).unwrap(),
            to_trace,
            0,
        ));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0));
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_TRACE, 0, 0));
    program
}

/// Puts the filter on the calling process.
fn install(filter: &[libc::sock_filter]) -> std::io::Result<()> {
    let program = libc::sock_fprog {
        len: filter.len() as libc::c_ushort,
        filter: filter.as_ptr().cast_mut(),
    };
    #[expect(unsafe_code, reason = "no safe wrapper of seccomp is among the dependencies")]
    // SAFETY: `program` and the filter it points to outlive both calls, and the kernel only reads them.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if done {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

struct Driver<'a> {
    root: Pid,
    fault: Fault,
    lacks: &'a [Lack],
    meanwhile: &'a mut dyn FnMut(),
    /// Every process and thread met so far.
    seen: BTreeSet<Pid>,
    calls: Vec<Call>,
    listings: usize,
    hit: Option<String>,
    end: Option<End>,
}

impl Driver<'_> {
    /// Until all of them are gone. Only children of this very thread are waited for.
    fn drive(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
                Ok(WaitStatus::Exited(pid, code)) => self.gone(pid, End::Code(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => self.gone(pid, End::Signal(signal)),
                Ok(WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_SECCOMP)) => self.at_call(pid),
                // Only calls after which something is to be done are followed to their end.
                Ok(WaitStatus::PtraceSyscall(pid)) => self.after_call(pid),
                // A new thread or process begins with a stop that is not a signal.
                Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)) if self.seen.insert(pid) => go(pid, None),
                Ok(WaitStatus::Stopped(pid, signal)) => go(pid, Some(signal)),
                Ok(WaitStatus::PtraceEvent(pid, ..)) => go(pid, None),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => break,
                Err(e) => panic!("cannot wait: {e}"),
            }
        }
    }

    fn gone(&mut self, pid: Pid, end: End) {
        self.seen.remove(&pid);
        if pid == self.root {
            self.end = Some(end);
        }
    }

    /// Stopped before a call that may change something.
    fn at_call(&mut self, pid: Pid) {
        // A thread that was killed meanwhile cannot be asked any more.
        let Ok(mut regs) = ptrace::getregs(pid) else { return };
        let number = regs.orig_rax as libc::c_long;
        if number == LISTING {
            self.listings += 1;
            if let Fault::FailListing(n, errno) = self.fault
                && n == self.listings
            {
                self.hit = Some(format!("getdents64 {}", target(pid, Names::Fd, &regs)));
                skip(pid, &mut regs, errno as i32);
            }
            return go(pid, None);
        }
        let Some(&(_, name, changes, moves, names)) = CALLS.iter().find(|(nr, ..)| *nr == number) else {
            return go(pid, None);
        };
        let creates = |flags: u64| flags & (libc::O_CREAT | libc::O_TRUNC) as u64 != 0;
        let counts = match changes {
            Changes::Always => true,
            Changes::FlagsSecond => creates(regs.rsi),
            Changes::FlagsThird => creates(regs.rdx),
            Changes::FlagsBehindThird => {
                let mut flags = [0; 8];
                memory(pid).is_some_and(|m| m.read_exact_at(&mut flags, regs.rdx).is_ok())
                    && creates(u64::from_ne_bytes(flags))
            }
        };
        // What goes between threads, or between a program and itself, changes no file system; how often it comes
        // is a matter of time.
        let inner = |link: PathBuf| {
            link.to_str()
                .is_some_and(|l| l.starts_with("socket:") || l.starts_with("anon_inode:"))
        };
        let within = names == Names::Fd && fd(pid, regs.rdi).is_ok_and(inner);
        if !counts || within {
            return go(pid, None);
        }
        // What is refused changes nothing.
        if let Some(lack) = self.lacks.iter().find(|lack| lack.refuses(pid, name, &regs)) {
            skip(pid, &mut regs, lack.errno as i32);
            return go(pid, None);
        }
        let amount = match moves {
            Moves::Nothing => 0,
            Moves::Third => regs.rdx,
            Moves::Fourth => regs.r10,
            Moves::Fifth => regs.r8,
        };
        let target_of_call = match self.fault {
            Fault::None => target(pid, names, &regs),
            _ => String::new(),
        };
        self.calls.push(Call {
            name,
            file_kind: file_kind(&target_of_call),
            target: target_of_call,
            tearable: amount > 1,
        });
        if self.hit.is_some() || self.fault.at() != Some(self.calls.len()) {
            return go(pid, None);
        }
        self.hit = Some(format!("{name} {}", target(pid, names, &regs)));
        match self.fault {
            Fault::None | Fault::FailListing(..) => go(pid, None),
            Fault::KillBefore(_) => {
                skip(pid, &mut regs, 0);
                self.kill_all();
            }
            Fault::KillAfter(_) | Fault::LoseAnswer(..) => {
                let _ = ptrace::syscall(pid, None);
            }
            Fault::KillTorn(_) => {
                match moves {
                    Moves::Nothing => {}
                    Moves::Third => regs.rdx /= 2,
                    Moves::Fourth => regs.r10 /= 2,
                    Moves::Fifth => regs.r8 /= 2,
                }
                ptrace::setregs(pid, regs).unwrap();
                let _ = ptrace::syscall(pid, None);
            }
            Fault::Terminate(_) => {
                kill(self.root, Signal::SIGTERM).unwrap();
                go(pid, None);
            }
            Fault::Meanwhile(_) => {
                (self.meanwhile)();
                go(pid, None);
            }
            Fault::Fail(_, errno) => {
                skip(pid, &mut regs, errno as i32);
                go(pid, None);
            }
        }
    }

    /// Stopped after the call that was interfered with.
    fn after_call(&self, pid: Pid) {
        let Fault::LoseAnswer(_, errno) = self.fault else {
            return self.kill_all();
        };
        if let Ok(mut regs) = ptrace::getregs(pid) {
            regs.rax = i64::from(-(errno as i32)) as u64;
            let _ = ptrace::setregs(pid, regs);
        }
        go(pid, None);
    }

    fn kill_all(&self) {
        for pid in &self.seen {
            // One that is gone already is as dead as it should be.
            let _ = kill(*pid, Signal::SIGKILL);
        }
    }
}

impl Lack {
    fn refuses(&self, pid: Pid, name: &str, regs: &libc::user_regs_struct) -> bool {
        let flagged = name != "renameat2" || regs.r8 != 0;
        let below = |number: u64| fd(pid, number).is_ok_and(|path| path.starts_with(&self.below));
        // The first argument is a file or a directory; the third one is the other directory of a renaming or a link.
        let two = matches!(name, "renameat2" | "linkat");
        self.call == name && flagged && (below(regs.rdi) || (two && below(regs.rdx)))
    }
}

/// Lets a stopped thread go on. One that was killed meanwhile is left to the next wait.
fn go(pid: Pid, signal: Option<Signal>) {
    let _ = ptrace::cont(pid, signal);
}

/// Makes the call not happen and answer with `-errno`.
fn skip(pid: Pid, regs: &mut libc::user_regs_struct, errno: i32) {
    regs.orig_rax = u64::MAX;
    regs.rax = i64::from(-errno) as u64;
    let _ = ptrace::setregs(pid, *regs);
}

fn memory(pid: Pid) -> Option<File> {
    File::open(format!("/proc/{pid}/mem")).ok()
}

/// The file of a descriptor.
fn fd(pid: Pid, number: u64) -> std::io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/fd/{number}"))
}

/// The endings of a file's name, or a name without any and without numbers.
fn file_kind(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.find('.') {
        Some(at) => name[at..].to_owned(),
        None => name.chars().filter(char::is_ascii_lowercase).collect(),
    }
}

/// The file of a call, for people.
fn target(pid: Pid, names: Names, regs: &libc::user_regs_struct) -> String {
    let path = match names {
        Names::Fd => {
            return fd(pid, regs.rdi).map_or_else(|e| e.to_string(), |path| format!("{}", path.display()));
        }
        Names::Path => regs.rdi,
        Names::At => regs.rsi,
    };
    let mut bytes = [0; 256];
    let got = memory(pid).and_then(|m| m.read_at(&mut bytes, path).ok()).unwrap_or(0);
    let text = bytes[..got].split(|b| *b == 0).next().unwrap_or_default();
    format!("{}", text.escape_ascii())
}
