//! A sandbox like those of service managers and containers: a filter of seccomp that refuses one system call.
#![expect(
    unsafe_code,
    reason = "a filter is set between fork and exec, by calls that no crate in use offers"
)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// From then on the command, and what it starts, gets `errno` from this system call.
pub fn refuse(command: &mut Command, call: libc::c_long, errno: i32) {
    let step = |code: u32, yes: u8, no: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: yes,
        jf: no,
        k,
    };
    let filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            u32::try_from(call).unwrap(),
        ),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap(),
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let set = move || {
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).unwrap_or_default(),
            filter: filter.as_ptr().cast_mut(),
        };
        // SAFETY: `prctl` reads the program, which lives until it returns, and keeps no pointer. Neither call allocates.
        let set = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
        };
        if set { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: `set` only makes system calls.
    unsafe { command.pre_exec(set) };
}
