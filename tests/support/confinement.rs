//! A program with mounts, capabilities and filters of its own: what service managers and containers do before they start it.
#![expect(unsafe_code, reason = "between fork and exec, by calls that no crate in use offers")]

use super::sandbox::{Rule, filter, refusal, set_filters};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Capabilities by their numbers.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What is done between fork and exec, in the order of its fields.
#[derive(Default)]
pub struct Confinement {
    /// As process 1 of namespaces of its own.
    pub process_one: bool,
    mounts: Vec<Step>,
    /// Its `/`.
    root: Option<CString>,
    kept: Option<BTreeSet<usize>>,
    dropped: BTreeSet<usize>,
    pub no_new_privileges: bool,
    /// Calls without a rule are allowed.
    pub rules: Vec<Rule>,
}

enum Step {
    Mount {
        source: CString,
        target: CString,
        kind: CString,
        flags: libc::c_ulong,
        data: CString,
    },
    Directory(CString),
    Device(CString, u32, u32),
}

fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn done(yes: bool) -> io::Result<()> {
    if yes { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl Step {
    fn take(&self) -> io::Result<()> {
        // SAFETY: texts that end with NUL and live until the call returns.
        let answer = unsafe {
            match self {
                Self::Mount {
                    source,
                    target,
                    kind,
                    flags,
                    data,
                } => libc::mount(
                    source.as_ptr(),
                    target.as_ptr(),
                    kind.as_ptr(),
                    *flags,
                    data.as_ptr().cast(),
                ),
                Self::Directory(path) => libc::mkdir(path.as_ptr(), 0o1777),
                Self::Device(path, major, minor) => {
                    libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(*major, *minor))
                }
            }
        };
        done(answer == 0)
    }
}

impl Confinement {
    fn mount(&mut self, source: &str, target: &str, kind: &str, flags: libc::c_ulong, data: &str) {
        let (source, target, kind, data) = (text(source), text(target), text(kind), text(data));
        self.mounts.push(Step::Mount {
            source,
            target,
            kind,
            flags,
            data,
        });
    }

    pub fn bind(&mut self, source: &str, target: &str) {
        self.mount(source, target, "", libc::MS_BIND | libc::MS_REC, "");
    }

    pub fn remount(&mut self, target: &str, read_only: bool) {
        let flags = libc::MS_BIND | libc::MS_REMOUNT | if read_only { libc::MS_RDONLY } else { 0 };
        self.mount("", target, "", flags, "");
    }

    pub fn tmpfs(&mut self, target: &str, options: &str) {
        self.mount("tmpfs", target, "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, options);
    }

    pub fn overlay(&mut self, lower: &str, upper: &str, work: &str, target: &str) {
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        self.mount("overlay", target, "overlay", 0, &options);
    }

    pub fn proc(&mut self, target: &str) {
        self.mount(
            "proc",
            target,
            "proc",
            libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
            "",
        );
    }

    /// A `/dev` with nothing but the devices that every program expects.
    pub fn private_devices(&mut self, target: &str) {
        self.mount("tmpfs", target, "tmpfs", libc::MS_NOSUID, "mode=755");
        let devices = [
            ("null", 1, 3),
            ("zero", 1, 5),
            ("full", 1, 7),
            ("random", 1, 8),
            ("urandom", 1, 9),
            ("tty", 5, 0),
        ];
        for (name, major, minor) in devices {
            self.mounts
                .push(Step::Device(text(&format!("{target}/{name}")), major, minor));
        }
        self.mounts.push(Step::Directory(text(&format!("{target}/shm"))));
    }

    pub fn root(&mut self, root: &str) {
        self.root = Some(text(root));
    }

    /// Keeps these capabilities, and those of earlier calls; drops all others.
    pub fn keep_capabilities(&mut self, names: &str) {
        self.kept.get_or_insert_default().extend(numbers_of(names));
    }

    pub fn drop_capabilities(&mut self, names: &str) {
        self.dropped.extend(numbers_of(names));
    }

    pub fn no_namespaces(&mut self) {
        // The bits of all namespaces.
        let bits = 0x7E02_0080;
        for call in ["clone", "unshare"] {
            self.rules.push(Rule::with_bits(call, 0, bits, refusal(libc::EPERM)));
        }
        self.rules.push(Rule::always("setns", refusal(libc::EPERM)));
        // Its flags are in memory, where a filter cannot look.
        self.rules.push(Rule::always("clone3", refusal(libc::ENOSYS)));
    }

    pub fn apply(self, command: &mut Command) {
        let unwanted =
            |cap: &usize| self.dropped.contains(cap) || self.kept.as_ref().is_some_and(|set| !set.contains(cap));
        let prepared = Prepared {
            process_one: self.process_one,
            unwanted: (0..CAPABILITIES.len()).filter(unwanted).collect(),
            filters: vec![filter(&self.rules, libc::SECCOMP_RET_ALLOW)],
            mounts: self.mounts,
            root: self.root,
            no_new_privileges: self.no_new_privileges,
        };
        // SAFETY: it only makes system calls.
        unsafe { command.pre_exec(move || prepared.confine()) };
    }
}

fn numbers_of(names: &str) -> BTreeSet<usize> {
    let number = |name: &str| {
        CAPABILITIES
            .iter()
            .position(|known| name.strip_prefix("CAP_") == Some(known))
    };
    let names = names.split_ascii_whitespace();
    names
        .map(|name| number(name).unwrap_or_else(|| panic!("{name}")))
        .collect()
}

struct Prepared {
    process_one: bool,
    mounts: Vec<Step>,
    root: Option<CString>,
    unwanted: Vec<usize>,
    no_new_privileges: bool,
    filters: Vec<Vec<libc::sock_filter>>,
}

impl Prepared {
    /// Allocates nothing.
    fn confine(&self) -> io::Result<()> {
        // SAFETY: flags only.
        done(unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0)?;
        if self.process_one {
            become_process_one()?;
        }
        let all = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: texts that end with NUL.
        done(unsafe { libc::mount(c"".as_ptr(), c"/".as_ptr(), c"".as_ptr(), all, std::ptr::null()) } == 0)?;
        self.mounts.iter().try_for_each(Step::take)?;
        if let Some(root) = &self.root {
            // SAFETY: texts that end with NUL.
            done(unsafe { libc::chroot(root.as_ptr()) == 0 && libc::chdir(c"/".as_ptr()) == 0 })?;
        }
        for cap in &self.unwanted {
            // SAFETY: integers only.
            done(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, *cap, 0, 0, 0) } == 0)?;
        }
        set_filters(self.no_new_privileges, &self.filters)
    }
}

/// Goes on as a child, which is the first process of new namespaces and dies with this one. This one ends as its child does.
fn become_process_one() -> io::Result<()> {
    let namespaces = libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    // SAFETY: integers only; the parent calls nothing but what may be called after a fork.
    unsafe {
        done(libc::unshare(namespaces) == 0)?;
        match libc::fork() {
            -1 => Err(io::Error::last_os_error()),
            0 => done(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) == 0),
            child => {
                // Among them are the ends of pipes, by which the test sees that the child has ended.
                libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0);
                let mut status = 0;
                while libc::waitpid(child, &raw mut status, 0) < 0 {}
                let exited = libc::WIFEXITED(status);
                libc::_exit(if exited {
                    libc::WEXITSTATUS(status)
                } else {
                    128 + libc::WTERMSIG(status)
                })
            }
        }
    }
}
