//! Real children: how they end, what they leave, what they print.

use super::*;
use secrecy::SecretString;
use std::io::{BufRead, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn child(program: &str, arguments: &[&str]) -> Spawn {
    Spawn {
        program: program.to_owned(),
        arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        cwd: PathBuf::from("/"),
        env: Vec::new(),
        run_as: None,
        input: None,
        timeout: None,
        kill_after: Duration::from_secs(60),
        streams: Streams::Merged,
        keep: CaptureLimits::default(),
        trace: None,
    }
}

fn sh(line: &str) -> Spawn {
    child("/bin/sh", &["-c", line])
}

fn finish(spawn: &Spawn) -> CompletedProcess {
    block(run(spawn, &Unsifted, &Stop::default())).unwrap()
}

fn text(captured: &Captured) -> &str {
    assert_eq!(captured.dropped, 0);
    std::str::from_utf8(&captured.head).unwrap()
}

/// A FIFO in `dir`; what is written into it can be waited for.
fn fifo(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
    path
}

/// False once the process is gone, or a zombie that nobody asks for.
fn alive(pid: &str) -> bool {
    let raw = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
    if nix::sys::signal::kill(raw, None).is_err() {
        return false;
    }
    let stat = std::fs::read_to_string(format!("/proc/{raw}/stat")).unwrap_or_default();
    !stat
        .rsplit_once(')')
        .is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}

/// A process that can be waited for.
fn watched(pid: &str) -> std::os::fd::OwnedFd {
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap()
}

/// Waits until it has ended.
fn wait(process: &std::os::fd::OwnedFd) {
    let mut watched = [rustix::event::PollFd::new(process, rustix::event::PollFlags::IN)];
    while rustix::event::poll(&mut watched, None) == Err(rustix::io::Errno::INTR) {}
}

/// Runs it, and asks to stop when so many lines came through `ready`; gives them too. Time plays no part.
fn stopped_when(spawn: &Spawn, ready: PathBuf, lines: usize) -> (CompletedProcess, Vec<String>) {
    let stop = Stop::new().unwrap();
    let asker = std::thread::spawn({
        let stop = stop.clone();
        move || {
            // Open for writing too, so that it has no end before they came.
            let ready = std::fs::File::options().read(true).write(true).open(ready).unwrap();
            let told = std::io::BufReader::new(ready).lines().take(lines);
            let told: Vec<String> = told.map(Result::unwrap).collect();
            stop.ask();
            told
        }
    });
    let done = block(run(spawn, &Unsifted, &stop)).unwrap();
    (done, asker.join().unwrap())
}

#[test]
fn codes_and_signals_are_told() {
    assert_eq!(finish(&sh("exit 0")).ending, Ending::Exited(0));
    assert_eq!(finish(&sh("exit 3")).ending, Ending::Exited(3));
    let killed = finish(&sh("kill -9 $$")).ending;
    assert_eq!(killed, Ending::Signalled(9));
    assert_eq!(killed.to_string(), "killed by signal 9 (KILL)");
    assert_eq!(Ending::Signalled(63).to_string(), "killed by signal 63");
    let late = Ending::TimedOut(Duration::from_secs(300), Ladder::Kill);
    assert_eq!(late.to_string(), "timeout after 5m; the group was ended with KILL");
}

#[test]
fn merged_output_is_in_order_and_separate_is_apart() {
    let both = "printf 1; printf 2 >&2; printf 3; printf 4 >&2";
    let merged = finish(&sh(both));
    assert_eq!((text(&merged.stdout), text(&merged.stderr)), ("1234", ""));
    assert!(!merged.held_open);
    let mut apart = sh(both);
    apart.streams = Streams::Separate;
    let apart = finish(&apart);
    assert_eq!((text(&apart.stdout), text(&apart.stderr)), ("13", "24"));
}

#[test]
fn bytes_are_kept_as_they_are() {
    let kept = finish(&sh("printf 'a\\000b\\033[1m\\377'"));
    assert_eq!(kept.stdout.head, b"a\0b\x1b[1m\xff");
}

#[test]
fn input_directory_and_variables_are_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut spawn = sh("cat; pwd -P; printf %s \"$GREETING\"; test -n \"$PATH\"");
    spawn.cwd = dir.path().to_owned();
    spawn.env = vec![("GREETING".to_owned(), SecretString::from("hello"))];
    let done = finish(&spawn);
    let here = dir.path().canonicalize().unwrap();
    assert_eq!(text(&done.stdout), format!("{}\nhello", here.display()));
    assert_eq!(done.ending, Ending::Exited(0));
    assert!(!format!("{spawn:?}").contains("hello"));
    assert_eq!(sh("a\nb").line(), "/bin/sh -c $'a\\nb'");
}

#[test]
fn nothing_of_ours_is_inherited() {
    let file = tempfile::tempfile().unwrap();
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let link = |descriptor: &dyn std::os::fd::AsRawFd| {
        let own = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        std::fs::read_link(own).unwrap().to_str().unwrap().to_owned()
    };
    let ours = [link(&file), link(&near), link(&far)];
    // Blocked here, which may not reach the child.
    let mut usr1 = nix::sys::signal::SigSet::empty();
    usr1.add(nix::sys::signal::Signal::SIGUSR1);
    usr1.thread_block().unwrap();
    let mut script = sh("readlink /proc/$$/fd/*");
    script.streams = Streams::Separate;
    script.trace = Some(std::sync::Arc::new(file.try_clone().unwrap()));
    let links = finish(&script);
    let links = text(&links.stdout);
    let links: Vec<&str> = links.lines().collect();
    assert_eq!(links[0], "/dev/null");
    let pipes = links.iter().filter(|link| **link == links[1]).count();
    assert_eq!(pipes, 1, "both ends of the output: {links:?}");
    assert!(
        links.iter().all(|link| !ours.contains(&(*link).to_owned())),
        "{links:?}"
    );
    // Not of a shell, which blocks what it likes while it waits.
    let status = finish(&child("cat", &["/proc/self/status", "/proc/self/stat"]));
    let status = text(&status.stdout);
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    assert_eq!(mask("SigBlk:"), 0);
    // The test itself ignores SIGPIPE, as every Rust program does.
    assert_eq!(mask("SigIgn:") & 1 << (nix::sys::signal::Signal::SIGPIPE as u32 - 1), 0);
    let fields: Vec<&str> = status.lines().last().unwrap().split(' ').collect();
    assert_eq!(fields[0], fields[4], "it leads its group");
}

#[test]
fn a_long_output_keeps_its_ends() {
    let done = finish(&sh("printf begin; head -c 100000000 /dev/zero; printf end"));
    assert_eq!(done.ending, Ending::Exited(0));
    assert!(done.stdout.head.starts_with(b"begin\0") && done.stdout.tail.ends_with(b"\0end"));
    assert_eq!((done.stdout.head.len(), done.stdout.tail.len()), (8192, 8192));
    assert_eq!(done.stdout.dropped, 100_000_008 - 16384);
}

#[test]
fn a_flood_ends_with_the_timeout() {
    let mut flood = child("yes", &[]);
    flood.timeout = Some(Duration::from_millis(200));
    let done = finish(&flood);
    assert_eq!(done.ending, Ending::TimedOut(Duration::from_millis(200), Ladder::Term));
    assert_eq!(done.stderr.head, b"");
}

#[test]
fn a_flood_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let ready = fifo(dir.path(), "ready");
    let mut flood = sh("yes & head -c 1000000 /dev/zero; echo up > ready; wait");
    flood.cwd = dir.path().to_owned();
    let (done, _) = stopped_when(&flood, ready, 1);
    assert_eq!(done.ending, Ending::Stopped(Ladder::Term));
    assert!(done.stdout.dropped > 900_000);
    assert_eq!((done.stdout.head.len(), done.stdout.tail.len()), (8192, 8192));
}

#[test]
fn who_ignores_term_is_killed_with_all_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let ready = fifo(dir.path(), "ready");
    let mut deaf = sh(
        "trap '' TERM; exec 3<>ready; echo $$ >&3; sh -c 'echo $$ >&3; while :; do sleep 100; done' & \
         sh -c 'echo $$ >&3; exec sleep 1000' & while :; do sleep 100; done",
    );
    deaf.cwd = dir.path().to_owned();
    deaf.kill_after = Duration::from_millis(100);
    let (done, pids) = stopped_when(&deaf, ready, 3);
    assert_eq!(done.ending, Ending::Stopped(Ladder::Kill));
    assert!(pids.iter().all(|pid| !alive(pid)), "{pids:?}");
    assert!(!done.held_open);
}

#[test]
fn members_that_ignore_term_go_too_when_their_leader_went_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let ready = fifo(dir.path(), "ready");
    let mut quiet = sh(
        "exec 3<>ready; (trap '' TERM; sh -c 'echo $PPID >&3'; while :; do sleep 100; done) & \
         read never < /dev/zero",
    );
    quiet.cwd = dir.path().to_owned();
    quiet.kill_after = Duration::from_millis(200);
    let (done, pids) = stopped_when(&quiet, ready, 1);
    assert_eq!(done.ending, Ending::Stopped(Ladder::Kill));
    assert!(!alive(&pids[0]));
}

#[test]
fn members_have_the_time_that_their_leader_has() {
    let dir = tempfile::tempdir().unwrap();
    let ready = fifo(dir.path(), "ready");
    let gone = fifo(dir.path(), "gone");
    // What the worker puts in order takes until the leader is gone.
    let mut spawn = sh(
        "(trap 'read go < gone; echo tidy > tidy; exit' TERM; echo $$ > ready; while :; do :; done) & \
         while :; do sleep 100; done",
    );
    spawn.cwd = dir.path().to_owned();
    let stop = Stop::new().unwrap();
    let asker = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let leader = watched(&std::fs::read_to_string(ready).unwrap());
            stop.ask();
            wait(&leader);
            std::fs::write(gone, "go\n").unwrap();
        }
    });
    let done = block(run(&spawn, &Unsifted, &stop)).unwrap();
    asker.join().unwrap();
    assert_eq!(done.ending, Ending::Stopped(Ladder::Term));
    assert_eq!(std::fs::read_to_string(dir.path().join("tidy")).unwrap(), "tidy\n");
}

#[test]
fn who_was_stopped_hears_of_term() {
    let mut frozen = sh("kill -STOP $$; echo never");
    frozen.timeout = Some(Duration::from_millis(100));
    let done = finish(&frozen);
    assert_eq!(done.ending, Ending::TimedOut(Duration::from_millis(100), Ladder::Term));
    assert_eq!(text(&done.stdout), "");
}

#[test]
fn told_to_stop_while_and_before_while_it_runs() {
    let stop = Stop::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ready = fifo(dir.path(), "ready");
    let mut spawn = sh("echo $$ > ready; echo first; exec sleep 1000");
    spawn.cwd = dir.path().to_owned();
    let asker = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let pid = std::fs::read_to_string(ready).unwrap();
            stop.ask();
            pid
        }
    });
    let done = block(run(&spawn, &Unsifted, &stop)).unwrap();
    assert_eq!(done.ending, Ending::Stopped(Ladder::Term));
    assert!(!alive(&asker.join().unwrap()));
    let again = block(run(&child("/bin/sleep", &["1000"]), &Unsifted, &stop)).unwrap();
    assert_eq!(again.ending, Ending::Stopped(Ladder::Term));
}

#[test]
fn who_outlives_the_child_is_left_alone_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let gate = fifo(dir.path(), "gate");
    let back = fifo(dir.path(), "back");
    let mut spawn = sh("(read go < gate; echo alive > back) & printf last");
    spawn.cwd = dir.path().to_owned();
    let done = finish(&spawn);
    assert_eq!(done.ending, Ending::Exited(0));
    assert!(done.held_open);
    assert_eq!(text(&done.stdout), "last");
    std::fs::write(gate, "go\n").unwrap();
    assert_eq!(std::fs::read_to_string(back).unwrap(), "alive\n");
}

#[test]
fn who_left_the_group_is_no_member() {
    let dir = tempfile::tempdir().unwrap();
    let ready = fifo(dir.path(), "ready");
    let gate = fifo(dir.path(), "gate");
    let back = fifo(dir.path(), "back");
    // A daemon by double fork, which still holds the output.
    let mut spawn = sh(
        "printf last; exec 3<>ready; (setsid sh -c 'echo $$ >&3; read go < gate; echo alive > back' &) ; \
         exec sleep 1000",
    );
    spawn.cwd = dir.path().to_owned();
    let (done, _) = stopped_when(&spawn, ready, 1);
    assert_eq!(done.ending, Ending::Stopped(Ladder::Term));
    assert!(done.held_open);
    assert_eq!(text(&done.stdout), "last");
    std::fs::write(gate, "go\n").unwrap();
    assert_eq!(std::fs::read_to_string(back).unwrap(), "alive\n");
}

#[test]
fn a_dropped_call_leaves_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let ready = fifo(dir.path(), "ready");
    let held = fifo(dir.path(), "held");
    // The reader sees the end of `held` when everybody who holds it is gone.
    let mut spawn = sh("exec 3> held; (trap '' TERM; while :; do sleep 100; done) & echo up > ready; exec sleep 1000");
    spawn.cwd = dir.path().to_owned();
    let reader = std::thread::spawn(move || {
        let mut end = Vec::new();
        std::fs::File::open(held).unwrap().read_to_end(&mut end).unwrap();
    });
    let (up, is_up) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::fs::read(ready).unwrap();
        let _ = up.send(());
    });
    block(async {
        let stop = Stop::default();
        tokio::select! {
            _ = run(&spawn, &Unsifted, &stop) => panic!("it runs forever"),
            up = is_up => up.unwrap(),
        }
    });
    reader.join().unwrap();
}

#[test]
fn why_there_is_no_process() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, content: &str, mode: u32| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let fails = |spawn: &Spawn| block(run(spawn, &Unsifted, &Stop::default())).unwrap_err();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    let plain = at("plain", "#!/bin/sh\n", 0o644);
    let script = at("script", "#!/no/such/interpreter\n", 0o755);
    let garbage = at("garbage", "\u{7f}ELF and no more", 0o755);
    let no_cwd = |path: &str| Spawn {
        cwd: PathBuf::from(path),
        ..child("/bin/sh", &["-c", "exit"])
    };
    let long = "x".repeat(300_000);
    let cases = [
        (child("no-such-program-here", &[]), "the program does not exist"),
        (child("/no/such/program", &[]), "the program does not exist"),
        (child(&plain, &[]), "it is not executable"),
        (child("/", &[]), "it is a directory"),
        (
            Spawn {
                cwd: dir.path().to_owned(),
                ..child("./folder", &[])
            },
            "it is a directory",
        ),
        (
            child(&script, &[]),
            "the interpreter that its first line names does not exist",
        ),
        (child(&garbage, &[]), "it is not a program that the system can run"),
        (no_cwd("/no/such/directory"), "the directory does not exist"),
        (no_cwd(&plain), "it is not a directory"),
        (
            child("/bin/echo", &[&long]),
            "its arguments and variables are longer than the system allows",
        ),
        (
            child("/bin/echo", &["a\0b"]),
            "an argument or a variable contains a NUL byte",
        ),
    ];
    let mut helps = Vec::new();
    for (spawn, why) in &cases {
        let error = fails(spawn);
        assert_eq!(error.why.to_string(), *why, "{}", spawn.program);
        let message = error.to_string();
        assert!(message.starts_with(&format!(
            "cannot run `{}` in `{}`: ",
            spawn.program,
            spawn.cwd.display()
        )));
        helps.push(error.help());
    }
    assert!(helps.iter().all(|help| !help.is_empty()));
}

#[test]
fn a_child_reads_what_it_is_given() {
    let given = |line: &str, input: &[u8]| {
        let spawn = Spawn {
            input: Some(input.to_vec()),
            timeout: Some(Duration::from_secs(60)),
            ..sh(line)
        };
        let done = block(run(&spawn, &Unsifted, &Stop::default())).unwrap();
        (done.ending, String::from_utf8(done.stdout.head).unwrap())
    };
    // More than a pipe holds.
    let much = vec![b'x'; 1 << 20];
    assert_eq!(given("wc -c", &much), (Ending::Exited(0), "1048576\n".to_owned()));
    assert_eq!(given("cat", b"").1, "");
    assert_eq!(given("exit 3", &much).0, Ending::Exited(3));
    assert_eq!(
        given("exec 0<&-; echo done", &much),
        (Ending::Exited(0), "done\n".to_owned())
    );
    // What it leaves behind may still hold the other end.
    let (ending, out) = given("exec 3<&0; sleep 1000 >/dev/null 2>&1 & echo $!", &much);
    assert_eq!(ending, Ending::Exited(0));
    let left = rustix::process::Pid::from_raw(out.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
}
