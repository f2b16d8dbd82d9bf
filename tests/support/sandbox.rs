//! A sandbox like those of service managers and containers: filters of system calls, set between fork and exec.
#![expect(unsafe_code, reason = "filters are set by calls that no crate in use offers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// From then on the command, and what it starts, gets `errno` from this system call.
pub fn refuse(command: &mut Command, call: libc::c_long, errno: i32) {
    let rule = Rule::of_number(u32::try_from(call).unwrap(), refusal(errno));
    let filters = vec![filter(&[rule], libc::SECCOMP_RET_ALLOW)];
    let set = move || set_filters(true, &filters);
    // SAFETY: it only makes system calls.
    unsafe { command.pre_exec(set) };
}

/// The answer to a refused call.
pub fn refusal(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap()
}

/// One system call, and what becomes of it.
pub struct Rule {
    call: u32,
    /// Only if this argument, after this mask, is none of the values.
    argument: Option<(u32, u32, Vec<u32>)>,
    action: u32,
}

impl Rule {
    pub fn always(call: &str, action: u32) -> Self {
        let argument = None;
        Self {
            call: numbers()[call],
            argument,
            action,
        }
    }

    /// If the argument is none of these values.
    pub fn unless(call: &str, argument: u32, values: &[u32], action: u32) -> Self {
        let argument = Some((argument, u32::MAX, values.to_vec()));
        Self {
            call: numbers()[call],
            argument,
            action,
        }
    }

    pub fn of_number(call: u32, action: u32) -> Self {
        let argument = None;
        Self { call, argument, action }
    }

    /// If the argument has one of these bits.
    pub fn with_bits(call: &str, argument: u32, bits: u32, action: u32) -> Self {
        let argument = Some((argument, bits, vec![0]));
        Self {
            call: numbers()[call],
            argument,
            action,
        }
    }
}

/// The numbers of the system calls of this machine.
pub fn numbers() -> &'static BTreeMap<String, u32> {
    static NUMBERS: std::sync::LazyLock<BTreeMap<String, u32>> = std::sync::LazyLock::new(|| {
        let header = [
            "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
            "/usr/include/aarch64-linux-gnu/asm/unistd.h",
        ];
        let text = header.iter().find_map(|path| fs::read_to_string(path).ok());
        let text = text.unwrap_or_else(|| panic!("the headers of the kernel are missing: install linux-libc-dev"));
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("#define __NR_")?.split_once(' '));
        lines
            .filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?)))
            .collect()
    });
    &NUMBERS
}

/// The calls of a list as systemd reads it, with its groups.
pub fn calls(names: &str) -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    let mut left: Vec<String> = names.split_ascii_whitespace().map(str::to_owned).collect();
    while let Some(name) = left.pop() {
        if name.starts_with('@') {
            let output = Command::new("systemd-analyze")
                .args(["syscall-filter", &name])
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && text.lines().count() > 1, "{name}");
            let members = text
                .lines()
                .skip(1)
                .map(str::trim)
                .filter(|line| !line.starts_with('#'));
            left.extend(members.map(str::to_owned));
        } else {
            calls.insert(name);
        }
    }
    calls
}

fn step(code: u32, yes: u8, no: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: yes,
        jf: no,
        k,
    }
}

/// The filter of these rules: the first that fits decides. `otherwise` is for calls without a rule.
pub fn filter(rules: &[Rule], otherwise: u32) -> Vec<libc::sock_filter> {
    let load = |at| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let equal = |k, yes, no| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, yes, no, k);
    let answer = |action| step(libc::BPF_RET | libc::BPF_K, 0, 0, action);
    let mut program = vec![load(0)];
    for Rule { call, argument, action } in rules {
        let Some((argument, mask, values)) = argument else {
            program.extend([equal(*call, 0, 1), answer(*action)]);
            continue;
        };
        // Loads the low half of the argument; after any value nothing is refused; the number is loaded again for the next rule.
        let count = u8::try_from(values.len()).unwrap();
        program.extend([equal(*call, 0, count + 4), load(16 + 8 * argument)]);
        program.push(step(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, *mask));
        for (at, value) in (0_u8..).zip(values) {
            program.push(equal(*value, count - at, 0));
        }
        program.extend([answer(*action), load(0)]);
    }
    program.push(answer(otherwise));
    program
}

/// Sets filters of system calls for this process and what it starts. Allocates nothing.
pub fn set_filters(no_new_privileges: bool, filters: &[Vec<libc::sock_filter>]) -> io::Result<()> {
    let done = |yes: bool| if yes { Ok(()) } else { Err(io::Error::last_os_error()) };
    if no_new_privileges {
        // SAFETY: integers only.
        done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0)?;
    }
    for filter in filters {
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).unwrap_or_default(),
            filter: filter.as_ptr().cast_mut(),
        };
        // SAFETY: `prctl` reads the program, which lives until it returns, and keeps no pointer.
        done(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) } == 0)?;
    }
    Ok(())
}
