//! Under a filter of system calls, as of service managers and containers: it works, or a sandbox is named.

use crate::support::sandbox::{self, numbers};
use crate::support::workspace::{Workspace, run_with_input};

const OPS: &str = r#"
ops version=1 { name "t"; }
backup "b" { source "data"; to "backup"; }
retention "r" backup="b" { class "old" "*.log" keep="7d"; max-delete files=100; }
target "t" { command "true"; }
check "s" { disk-space "data" warn="1B"; }
check "c" { command "true"; }
"#;

/// Calls that a filter takes away one at a time. Without some others, no program starts.
const CALLS: [&str; 33] = [
    "clone3",
    "copy_file_range",
    "epoll_create1",
    "eventfd2",
    "fadvise64",
    "fchmod",
    "fchown",
    "fchownat",
    "fcntl",
    "fdatasync",
    "fgetxattr",
    "flistxattr",
    "flock",
    "fsetxattr",
    "fstatfs",
    "fsync",
    "ftruncate",
    "ioctl",
    "kill",
    "linkat",
    "mkdirat",
    "openat2",
    "pidfd_open",
    "pipe2",
    "prlimit64",
    "readlinkat",
    "renameat2",
    "sched_getaffinity",
    "setpgid",
    "statx",
    "symlinkat",
    "unlinkat",
    "utimensat",
];

#[test]
#[ignore = "needs the headers of the kernel, and a minute"]
fn a_call_that_a_filter_takes_away_is_not_blamed_on_anything_else() {
    let mut wrong = Vec::new();
    for (call, errno) in CALLS
        .iter()
        .flat_map(|call| [(*call, libc::ENOSYS), (*call, libc::EPERM)])
    {
        let world = Workspace::with_data(OPS);
        world.file("a", 1);
        let old = world.file("x.log", 30);
        std::os::unix::fs::symlink("a", world.at("data/link")).unwrap();
        xattr::set(&old, "user.test", b"1").unwrap();
        for args in [&["apply", "--yes"][..], &["verify"], &["restore", "**", "--to", "back"]] {
            let mut command = world.command(args);
            sandbox::refuse(&mut command, numbers()[call].into(), errno);
            let output = run_with_input(&mut command, "");
            let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            let code = output.status.code();
            let named = text.contains("a sandbox blocks this system call");
            // What can be done without is not missed, or lost with its name.
            let known = named && code != Some(70) || matches!(code, Some(0)) || text.contains("could not be set");
            if !known || text.contains("Linux 5.6") {
                wrong.push(format!("{call} {errno} {args:?}: {code:?}\n{text}"));
            }
            if args == ["apply", "--yes"] {
                world.run(args);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
