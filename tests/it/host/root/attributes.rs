//! Everything that was read is written back: owners, modes, times, access control lists, capabilities and other extended
//! attributes, of files, directories, symlinks and the source itself. rsync compares.

use super::Mount;
use crate::support::workspace::{OPSRUN, Workspace, is_root, output_of, run_with_input};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const OPS: &str = r#"
    ops version=1 { name "t"; }
    backup "a" { source "data"; to "archives"; }
    backup "t" { source "data"; to "trees"; strategy "copy"; }
"#;

/// A user without an entry in the user database, and groups of whom it is a member.
const USER: u32 = 54_322;
const GROUPS: [u32; 2] = [54_323, 54_324];

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// An access control list that gives a user and a group rights of their own; the other bits fit mode 0o660.
fn acl(user: u32, group: u32) -> Vec<u8> {
    acl_with(6, user, group)
}

/// The same, with these rights for the owner.
fn acl_with(owner: u16, user: u32, group: u32) -> Vec<u8> {
    let none = u32::MAX;
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, bits, id) in [
        (0x01_u16, owner, none),
        (0x02, 6, user),
        (0x04, 0, none),
        (0x08, 4, group),
        (0x10, 6, none),
        (0x20, 0, none),
    ] {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&bits.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    bytes
}

/// `cap_net_raw=ep`.
fn capability() -> Vec<u8> {
    [0x0200_0001_u32, 1 << 13, 0, 0, 0].map(u32::to_le_bytes).concat()
}

/// A source that grows; its parts get owner, mode, attributes and time as they are made.
struct Source(PathBuf);

impl Source {
    fn file(&self, path: &str, mode: u32) -> PathBuf {
        let path = self.0.join(path);
        fs::write(&path, path.as_os_str().as_bytes()).unwrap();
        mode_of(&path, mode);
        path
    }

    fn dir(&self, path: &str, mode: u32) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir(&path).unwrap();
        mode_of(&path, mode);
        path
    }

    /// Gives everything a time of its own, the deepest first.
    fn age(&self) {
        let all: Vec<_> = walkdir::WalkDir::new(&self.0)
            .contents_first(true)
            .into_iter()
            .collect();
        for (n, item) in all.into_iter().enumerate() {
            time_of(item.unwrap().path(), 1_500_000_000 + n as i64);
        }
    }
}

fn mode_of(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn time_of(path: &Path, tv_sec: i64) {
    let time = Timespec {
        tv_sec,
        tv_nsec: 123_456_789,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// What an ordinary user can have.
fn fill_as_user(source: &Source) {
    source.file("plain", 0o640);
    source.file("none", 0o400);
    let named = source.file("named", 0o600);
    for (name, value) in [
        ("user.a=b", &b"one"[..]),
        ("user.100%", b"two"),
        ("user.%3D", b"three"),
        ("user.new\nline", b"line\nend\0\xff"),
        ("user.empty", b""),
    ] {
        xattr::set(&named, name, value).unwrap();
    }
    xattr::set(&named, OsStr::from_bytes(b"user.\xff\\x41"), b"four").unwrap();
    fs::hard_link(&named, source.0.join("same")).unwrap();
    xattr::set(source.file("listed", 0o660), ACCESS, &acl(1234, 2345)).unwrap();
    symlink("named", source.0.join("link")).unwrap();
    let shared = source.dir("shared", 0o770);
    xattr::set(&shared, ACCESS, &acl_with(7, 1234, 2345)).unwrap();
    xattr::set(&shared, DEFAULT, &acl(4321, 2345)).unwrap();
    xattr::set(&shared, "user.kind", b"directory").unwrap();
    // It inherits a list, and loses it.
    xattr::remove(source.file("shared/bare", 0o644), ACCESS).unwrap();
    source.dir("shared/closed", 0o711);
    source.file("shared/closed/inner", 0o604);
    // In the tree of a user, its owner may write in it all the same.
    let locked = source.dir("locked", 0o770);
    source.file("locked/inner", 0o600);
    xattr::set(&locked, ACCESS, &acl_with(5, 1234, 2345)).unwrap();
    mode_of(&source.dir("sticky", 0o755), 0o1777);
    source.file("sticky/inner", 0o600);
    xattr::set(&source.0, "user.kind", b"the source itself").unwrap();
    xattr::set(&source.0, DEFAULT, &acl(1234, 2345)).unwrap();
    mode_of(&source.0, 0o751);
}

/// What needs root, besides.
fn fill_as_root(source: &Source) {
    fill_as_user(source);
    let owned = |path: PathBuf, mode: u32| {
        lchown(&path, Some(1234), Some(2345)).unwrap();
        mode_of(&path, mode);
        path
    };
    let tool = owned(source.file("tool", 0o755), 0o755);
    xattr::set(&tool, "security.capability", &capability()).unwrap();
    owned(source.file("set-ids", 0o755), 0o6755);
    owned(source.dir("group", 0o755), 0o2775);
    owned(source.file("group/inner", 0o644), 0o644);
    xattr::set(source.file("trusted", 0o644), "trusted.note", b"root only").unwrap();
    lchown(source.0.join("link"), Some(1234), Some(2345)).unwrap();
    xattr::set(source.0.join("link"), "trusted.note", b"of a symlink").unwrap();
    mode_of(&source.dir("read-only", 0o755), 0o755);
    source.file("read-only/inner", 0o444);
    owned(source.0.join("read-only"), 0o555);
    lchown(&source.0, Some(1234), Some(2345)).unwrap();
    mode_of(&source.0, 0o2751);
}

/// What rsync would change to make `to` like `from`; `extra` are more arguments.
fn rsync(from: &Path, to: &Path, extra: &[&str]) -> String {
    let mut rsync = Command::new("rsync");
    rsync.args(["-aAXHc", "--numeric-ids", "--delete", "--dry-run", "--itemize-changes"]);
    rsync.args(extra).arg(from.join("")).arg(to.join(""));
    let output = run_with_input(&mut rsync, "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// To the nanosecond.
const EXACT: [&str; 1] = ["--modify-window=-1"];

/// Each changes one thing in a restored directory; rsync must show it, or it would show nothing ever.
#[track_caller]
fn rsync_shows_every_change(from: &Path, to: &Path, as_root: bool) {
    type Change = (&'static str, fn(&Path));
    let changes: [Change; 8] = [
        ("mode of a file", |to| mode_of(&to.join("plain"), 0o600)),
        ("time of a directory", |to| time_of(&to.join("sticky"), 7)),
        ("value of an attribute", |to| {
            xattr::set(to.join("named"), "user.a=b", b"x").unwrap();
        }),
        ("one attribute more", |to| {
            xattr::set(to.join("plain"), "user.more", b"x").unwrap();
        }),
        ("list of a file", |to| xattr::remove(to.join("listed"), ACCESS).unwrap()),
        ("default list of a directory", |to| {
            xattr::remove(to.join("shared"), DEFAULT).unwrap();
        }),
        ("mode of the directory itself", |to| mode_of(to, 0o700)),
        ("owner", |to| chown(to.join("plain"), Some(99), None).unwrap()),
    ];
    for (what, change) in changes.iter().take(if as_root { 8 } else { 7 }) {
        let copy = to.with_file_name("changed");
        let mut cp = Command::new("cp");
        output_of(&cp.arg("-a").arg(to).arg(&copy).output().unwrap(), 0);
        assert_eq!(rsync(from, &copy, &EXACT), "", "before {what}");
        change(&copy);
        assert_ne!(rsync(from, &copy, &EXACT), "", "{what}");
        output_of(&Command::new("rm").arg("-rf").arg(&copy).output().unwrap(), 0);
    }
}

/// A place of its own on a file system of this kind.
fn world_on(kind: &str) -> (Workspace, Option<Mount>) {
    let outer = Workspace::new("");
    let mount = if kind == "tmpfs" {
        Mount::new(outer.path(), &["-t".as_ref(), "tmpfs".as_ref(), "none".as_ref()])
    } else {
        let image = std::env::temp_dir().join(format!("opsrun-{}-{kind}.img", std::process::id()));
        fs::File::create(&image).unwrap().set_len(128 << 20).unwrap();
        let mut mkfs = Command::new(format!("mkfs.{kind}"));
        output_of(&mkfs.arg("-q").arg(&image).output().unwrap(), 0);
        let mount = Mount::new(outer.path(), &["-o".as_ref(), "loop".as_ref(), image.as_os_str()]);
        fs::remove_file(&image).unwrap();
        mount
    };
    outer.ops(OPS);
    fs::create_dir(outer.at("data")).unwrap();
    (outer, Some(mount))
}

#[test]
#[ignore = "needs root, rsync and file systems with every kind of attribute"]
fn everything_comes_back_from_archive_and_tree() {
    assert!(is_root(), "this test must run as root");
    for kind in ["tmpfs", "ext4"] {
        let (world, _mount) = world_on(kind);
        let source = Source(world.at("data"));
        fill_as_root(&source);
        source.age();
        world.ends(0, &["apply", "--yes"]);
        for (backup, out) in [("a", "out-a"), ("t", "out-t")] {
            world.ends(0, &["restore", "--backup", backup, "--to", out]);
            assert_eq!(rsync(&source.0, &world.at(out), &EXACT), "", "{kind}: {backup}");
        }
        rsync_shows_every_change(&source.0, &world.at("out-a"), true);
        // A second copy, which shares with the first, has the same.
        world.ends(0, &["apply", "--yes", "--only", "backup:t"]);
        world.ends(0, &["restore", "--backup", "t", "--to", "again"]);
        assert_eq!(rsync(&source.0, &world.at("again"), &EXACT), "", "{kind}");

        // A source that is gone comes back where it was.
        fs::rename(&source.0, world.at("kept")).unwrap();
        world.ends(0, &["restore", "--backup", "a", "--hold", "none"]);
        assert_eq!(rsync(&world.at("kept"), &source.0, &EXACT), "", "{kind}");

        // One file brings its directories along, as they were.
        world.ends(0, &["restore", "--backup", "a", "--to", "one", "shared/closed/inner"]);
        let only = ["--modify-window=-1", "--existing", "--ignore-missing-args"];
        let changes = rsync(&source.0, &world.at("one"), &only);
        assert_eq!(changes, "", "{kind}");
        assert!(world.at("one/shared/closed/inner").exists());

        // A directory that exists keeps what it has, and gives none of it to what comes into it.
        let mine = world.at("mine");
        fs::create_dir(&mine).unwrap();
        mode_of(&mine, 0o705);
        xattr::set(&mine, DEFAULT, &acl(7777, 8888)).unwrap();
        world.ends(0, &["restore", "--backup", "a", "--to", "mine"]);
        assert_eq!(fs::metadata(&mine).unwrap().permissions().mode() & 0o7777, 0o705);
        assert_eq!(xattr::get(&mine, DEFAULT).unwrap().unwrap(), acl(7777, 8888));
        let changes = rsync(&source.0, &mine, &EXACT);
        let changes: Vec<&str> = changes.lines().filter(|line| !line.ends_with(" ./")).collect();
        assert!(changes.is_empty(), "{kind}: {changes:?}");
    }
}

#[test]
#[ignore = "needs root, rsync and file systems with every kind of attribute"]
fn plain_tar_reads_attributes_from_the_archive() {
    assert!(is_root(), "this test must run as root");
    let (world, _mount) = world_on("tmpfs");
    let source = Source(world.at("data"));
    fill_as_root(&source);
    source.age();
    world.ends(0, &["apply", "--yes", "--only", "backup:a"]);
    let archive = fs::read_dir(world.at("archives"))
        .unwrap()
        .map(|item| item.unwrap().path());
    let archive = archive
        .into_iter()
        .find(|path| path.to_str().unwrap().ends_with(".tar.gz"))
        .unwrap();
    fs::create_dir(world.at("out")).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "-xpzf"]);
    let output = tar.arg(archive).arg("-C").arg(world.at("out")).output().unwrap();
    assert_eq!(output_of(&output, 0), "");
    // The archive has whole seconds, and not the source's own directory.
    let changes = rsync(&source.0, &world.at("out"), &["--modify-window=1"]);
    let changes: Vec<&str> = changes.lines().filter(|line| !line.ends_with(" ./")).collect();
    assert!(changes.is_empty(), "{changes:?}");
}

fn as_user(world: &Workspace, args: &[&str], code: i32) -> String {
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={USER}"), format!("--regid={}", GROUPS[0])])
        .arg(format!("--groups={},{}", GROUPS[0], GROUPS[1]))
        .arg(OPSRUN)
        .args(args)
        .current_dir(world.path())
        .env("NO_COLOR", "1");
    output_of(&run_with_input(&mut command, ""), code)
}

#[test]
#[ignore = "needs root, rsync and file systems with every kind of attribute"]
fn a_user_gets_back_what_a_user_can_have() {
    assert!(is_root(), "this test must run as root");
    let (world, _mount) = world_on("ext4");
    let source = Source(world.at("data"));
    fill_as_user(&source);
    let own = |path: &Path, group: u32| lchown(path, Some(USER), Some(group)).unwrap();
    for item in walkdir::WalkDir::new(world.path()) {
        own(item.unwrap().path(), GROUPS[0]);
    }
    // In another of its groups, and with a set-id bit that is its own.
    own(&source.file("second", 0o640), GROUPS[1]);
    own(&source.file("set-id", 0o755), GROUPS[0]);
    mode_of(&source.0.join("set-id"), 0o6755);
    source.age();
    let text = as_user(&world, &["apply", "--yes"], 0);
    assert!(!text.contains("attribute"), "{text}");
    for (backup, out) in [("a", "out-a"), ("t", "out-t")] {
        let text = as_user(&world, &["restore", "--backup", backup, "--to", out], 0);
        assert!(!text.contains("lost"), "{text}");
        assert_eq!(rsync(&source.0, &world.at(out), &EXACT), "", "{backup}");
    }
    rsync_shows_every_change(&source.0, &world.at("out-a"), false);
}

#[test]
#[ignore = "needs root, rsync and file systems with every kind of attribute"]
fn what_a_user_cannot_have_is_said_once_for_each_kind() {
    assert!(is_root(), "this test must run as root");
    let (world, _mount) = world_on("ext4");
    let source = Source(world.at("data"));
    fill_as_root(&source);
    source.age();
    world.ends(0, &["apply", "--yes"]);
    fs::create_dir(world.at("theirs")).unwrap();
    for from in ["archives", "trees"] {
        let mut cp = Command::new("cp");
        output_of(
            &cp.arg("-a")
                .args([world.at(from), world.at("theirs")])
                .output()
                .unwrap(),
            0,
        );
    }
    for item in walkdir::WalkDir::new(world.at("theirs")) {
        lchown(item.unwrap().path(), Some(USER), Some(GROUPS[0])).unwrap();
    }
    lchown(world.path(), Some(USER), Some(GROUPS[0])).unwrap();
    for (from, out) in [("theirs/archives", "out-a"), ("theirs/trees", "out-t")] {
        let text = as_user(&world, &["restore", "--from", from, "--to", out], 4);
        let lost: Vec<&str> = text.lines().filter(|line| line.starts_with("lost")).collect();
        for what in ["set-id bits", "capabilities", "extended attributes"] {
            assert_eq!(
                lost.iter().filter(|line| line.contains(what)).count(),
                1,
                "{what}: {text}"
            );
        }
        assert_eq!(lost.len(), 3, "{text}");
        // As with `tar`, a user owns what he restores.
        let owners = text.lines().filter(|line| line.contains("owner or group was left out"));
        assert!(
            owners.clone().all(|line| line.starts_with("note")) && owners.count() == 1,
            "{text}"
        );
        // Everything else is as it was.
        let changes = rsync(
            &source.0,
            &world.at(out),
            &["--modify-window=-1", "--no-owner", "--no-group"],
        );
        let other = |line: &&str| {
            !["tool", "set-ids", "trusted", "link", "group/", "./"]
                .iter()
                .any(|name| line[12..].starts_with(name))
        };
        let changes: Vec<&str> = changes.lines().filter(other).collect();
        assert!(changes.is_empty(), "{changes:?}");
    }
}

#[test]
#[ignore = "needs root, to name a user of its own"]
fn owners_go_by_name_where_the_name_exists() {
    assert!(is_root(), "this test must run as root");
    for (strategy, number) in [("", ""), ("strategy \"copy\";", ""), ("", "--numeric-owner")] {
        let world = Workspace::with_data(&format!(
            "ops version=1 {{ name \"t\"; }}\nbackup \"b\" {{ source \"data\"; to \"backup\"; {strategy} }}\n"
        ));
        world.file("named", 1);
        world.file("unnamed", 1);
        let listed = world.file("listed", 1);
        xattr::set(&listed, ACCESS, &acl(41_001, 41_002)).unwrap();
        for path in ["data", "data/named"] {
            lchown(world.at(path), Some(41_001), Some(41_002)).unwrap();
        }
        lchown(world.at("data/unnamed"), Some(41_003), Some(41_003)).unwrap();
        let long = "g".repeat(40);
        // Two machines: the same names, with other numbers.
        let machine = |uid: u32, gid: u32, args: &[&str]| {
            for (file, line) in [
                ("passwd", format!("fieldapp:x:{uid}:{gid}::/:/bin/false\n")),
                ("group", format!("{long}:x:{gid}:\n")),
            ] {
                let real = fs::read_to_string(format!("/etc/{file}")).unwrap();
                fs::write(world.at(file), real + &line).unwrap();
            }
            let script = "mount --bind passwd /etc/passwd && mount --bind group /etc/group && exec \"$0\" \"$@\"";
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "--propagation", "private", "sh", "-c", script, OPSRUN])
                .args(args)
                .current_dir(world.path())
                .env("NO_COLOR", "1");
            output_of(&run_with_input(&mut command, ""), 0)
        };
        machine(41_001, 41_002, &["apply", "--yes"]);
        let mut args = vec!["restore", "--from", "backup", "--to", "out"];
        args.extend(Some(number).filter(|number| !number.is_empty()));
        machine(42_001, 42_002, &args);
        let (uid, gid) = if number.is_empty() {
            (42_001, 42_002)
        } else {
            (41_001, 41_002)
        };
        let owner = |path: &str| {
            use std::os::unix::fs::MetadataExt;
            let meta = fs::metadata(world.at(path)).unwrap();
            (meta.uid(), meta.gid())
        };
        for path in ["out", "out/named"] {
            assert_eq!(owner(path), (uid, gid), "{path} {strategy} {number}");
        }
        assert_eq!(owner("out/unnamed"), (41_003, 41_003));
        assert_eq!(
            xattr::get(world.at("out/listed"), ACCESS).unwrap().unwrap(),
            acl(uid, gid)
        );
        if strategy.is_empty() {
            let archive = fs::read_dir(world.at("backup"))
                .unwrap()
                .map(|item| item.unwrap().path());
            let archive = archive
                .into_iter()
                .find(|path| path.to_str().unwrap().ends_with(".tar.gz"))
                .unwrap();
            let listed = output_of(&Command::new("tar").arg("tvzf").arg(archive).output().unwrap(), 0);
            assert!(listed.contains(&format!("fieldapp/{long}")), "{listed}");
        }
    }
}

/// Each copy has some of the files; the directories come from the newest, with their times.
#[test]
#[ignore = "needs root, rsync and file systems with every kind of attribute"]
fn directories_that_several_copies_fill_are_as_they_were() {
    assert!(is_root(), "this test must run as root");
    let world = Workspace::with_data(
        "ops version=1 { name \"t\"; }\nbackup \"b\" { source \"data\"; to \"backup\"; contents \"expired\"; }\n\
         retention \"r\" backup=\"b\" { class \"all\" \"**\" keep=\"7d\"; max-delete files=100; }\n",
    );
    let source = Source(world.at("data"));
    for name in ["first", "second", "third"] {
        world.file(&format!("dir/deep/{name}"), 30);
        mode_of(&world.at("data/dir/deep"), 0o755);
        source.age();
        mode_of(&world.at("data/dir/deep"), 0o555);
        fs::create_dir_all(world.at("kept")).unwrap();
        let mut cp = Command::new("cp");
        output_of(
            &cp.args(["-a", "data/.", "kept"])
                .current_dir(world.path())
                .output()
                .unwrap(),
            0,
        );
        world.ends(0, &["apply", "--yes"]);
        assert!(!world.at(&format!("data/dir/deep/{name}")).exists());
    }
    world.ends(0, &["restore", "--to", "out", "**"]);
    assert_eq!(rsync(&world.at("kept"), &world.at("out"), &EXACT), "");
    rsync_shows_a_touched_directory(&world);
}

fn rsync_shows_a_touched_directory(world: &Workspace) {
    time_of(&world.at("out/dir/deep"), 7);
    assert_ne!(rsync(&world.at("kept"), &world.at("out"), &EXACT), "");
}

/// What is there with the right content gets its attributes back, if the user says so.
#[test]
#[ignore = "needs root, rsync and file systems with every kind of attribute"]
fn force_gives_back_attributes_too() {
    assert!(is_root(), "this test must run as root");
    let (world, _mount) = world_on("tmpfs");
    let source = Source(world.at("data"));
    fill_as_root(&source);
    source.age();
    world.ends(0, &["apply", "--yes", "--only", "backup:a"]);
    world.ends(0, &["restore", "--backup", "a", "--to", "out"]);
    let out = world.at("out");
    let again = world.ends(0, &["restore", "--backup", "a", "--to", "out", "--force"]);
    assert!(again.contains("already exist"), "{again}");
    mode_of(&out.join("plain"), 0o777);
    xattr::set(out.join("named"), "user.more", b"x").unwrap();
    xattr::remove(out.join("tool"), "security.capability").unwrap();
    lchown(out.join("link"), Some(0), Some(0)).unwrap();
    mode_of(&out.join("sticky"), 0o700);
    // Without --force nothing changes.
    world.ends(0, &["restore", "--backup", "a", "--to", "out"]);
    assert_ne!(rsync(&source.0, &out, &EXACT), "");
    world.ends(0, &["restore", "--backup", "a", "--to", "out", "--force"]);
    let changes = rsync(&source.0, &out, &EXACT);
    // The target itself is not the restore's: it keeps the time of its last change.
    let changes: Vec<&str> = changes.lines().filter(|line| !line.ends_with(" ./")).collect();
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
#[ignore = "needs root, to be an ordinary user"]
fn a_file_that_a_user_cannot_read_is_not_taken_for_another_one() {
    assert!(is_root(), "this test must run as root");
    let world = Workspace::with_data(OPS);
    for path in ["first", "second"] {
        fs::write(world.at("data").join(path), path).unwrap();
    }
    // Another name of it is compared too.
    fs::hard_link(world.at("data/first"), world.at("data/third")).unwrap();
    for item in walkdir::WalkDir::new(world.path()) {
        lchown(item.unwrap().path(), Some(USER), Some(GROUPS[0])).unwrap();
    }
    as_user(&world, &["apply", "--yes", "--only", "backup:a"], 0);
    let restore = ["restore", "--backup", "a", "--to", "out"];
    as_user(&world, &restore, 0);
    for path in ["first", "second"] {
        mode_of(&world.at("out").join(path), 0);
    }
    let text = as_user(&world, &restore, 1);
    assert!(text.contains("second  a file exists that cannot be read"), "{text}");
    assert!(text.contains("make it readable"), "{text}");
    assert!(!text.contains("another file"), "{text}");
    let forced = as_user(&world, &[&restore[..], &["--force"]].concat(), 0);
    assert!(forced.contains("2 files and 1 link"), "{forced}");
    assert_eq!(fs::read(world.at("out/second")).unwrap(), b"second");
}
