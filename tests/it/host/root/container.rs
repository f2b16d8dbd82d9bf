//! `examples/container`: the image and its compose file, as process 1 of namespaces of their own.
//!
//! `OPSRUN_STATIC` is the static program; `.ci/test` builds it.

use crate::support::image::{DEFAULT_CAPABILITIES, Image};
use crate::support::workspace::{Workspace, files, is_gone, is_root, output_of, run_with_input, set_age};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);

struct Container {
    world: Workspace,
    image: Image,
}

impl Container {
    fn new(change: impl FnOnce(&mut Image)) -> Self {
        assert!(is_root(), "this test must run as root");
        let world = Workspace::new("");
        let program = std::env::var_os("OPSRUN_STATIC");
        assert!(program.is_some(), "OPSRUN_STATIC names no program: use .ci/test");
        fs::create_dir(world.at("context")).unwrap();
        fs::copy(program.unwrap(), world.at("context/opsrun")).unwrap();
        let folder = Path::new("examples/container");
        let mut image = Image::read(&folder.join("Containerfile"), &folder.join("compose.yaml"));
        change(&mut image);
        image.lay_out(&world.at("context"), world.path());
        let this = Self { world, image };
        for (name, host) in this.image.volumes.iter().zip(this.hosts()) {
            fs::create_dir_all(&host).unwrap();
            if name.0 == "./opsrun" {
                let text = fs::read_to_string(folder.join("opsrun/ops.kdl")).unwrap();
                assert!(text.contains("cron \"0 3 * * *\""));
                fs::write(
                    host.join("ops.kdl"),
                    text.replace("cron \"0 3 * * *\"", "every \"300ms\""),
                )
                .unwrap();
            }
        }
        this
    }

    /// The directory of each volume on the host.
    fn hosts(&self) -> Vec<PathBuf> {
        let name = |from: &String| from.trim_start_matches(['.', '/']).replace('/', "-");
        let volumes = self.image.volumes.iter();
        volumes
            .map(|(from, ..)| self.world.at("volumes").join(name(from)))
            .collect()
    }

    /// A file in `/data` of the container.
    fn data(&self, name: &str) -> PathBuf {
        self.world.at("volumes/srv-data").join(name)
    }

    fn fill(&self) {
        for (name, owner) in [("old", 0), ("other", 1234), ("young", 0)] {
            let path = self.data(name);
            fs::write(&path, name).unwrap();
            std::os::unix::fs::chown(&path, Some(owner), Some(owner)).unwrap();
            if name != "young" {
                set_age(&path, 60);
            }
        }
    }

    fn command(&self, arguments: &[String]) -> Command {
        self.image.start(self.world.path(), &self.hosts(), arguments)
    }

    /// `docker run --rm opsrun …`
    fn run(&self, arguments: &[&str]) -> Output {
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        run_with_input(&mut self.command(&arguments), "")
    }
}

fn until<T>(mut there: impl FnMut() -> Option<T>, what: &str) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(since.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

/// The only child of a process.
fn child_of(parent: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_ascii_whitespace().next()?.parse().ok()
}

#[test]
#[ignore = "needs root, and the static program"]
fn the_image_backs_up_deletes_and_restores_as_process_one() {
    let container = Container::new(|_| {});
    container.fill();
    let log = container.world.at("log");
    let mut command = container.command(&container.image.arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap());
    let mut outer = command.spawn().unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    let ended = |outer: u32| is_gone(&outer.to_string());
    let gone = || !container.data("old").exists() && !container.data("other").exists();
    until(|| (gone() || ended(outer.id())).then_some(()), "it deletes nothing");
    let pid = until(|| child_of(outer.id()), &said());
    // `docker exec`, as the engine does it for the health check.
    let healthy = || {
        let mut inside = Command::new("nsenter");
        inside.args(["--target", &pid.to_string(), "--mount", "--pid", "--root", "--wd=/"]);
        inside
            .env("OPSRUN_STATE_DIR", "/var/lib/opsrun")
            .args(&container.image.health_check);
        inside.output().unwrap()
    };
    let text = until(
        || {
            let output = healthy();
            output.status.success().then(|| output_of(&output, 0))
        },
        &said(),
    );
    assert!(text.contains("backup:data"), "{text}");
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(outer.wait().unwrap().code(), Some(143), "{}", said());
    for word in ["failed", "partial", "warning", "error"] {
        assert!(!said().contains(word), "{}", said());
    }
    assert!(gone() && container.data("young").exists());

    output_of(&container.run(&["verify", "/etc/opsrun/ops.kdl"]), 0);
    output_of(
        &container.run(&["restore", "--file", "/etc/opsrun/ops.kdl", "--force", "old", "other"]),
        0,
    );
    let restored = fs::metadata(container.data("other")).unwrap();
    assert_eq!((restored.uid(), restored.gid()), (1234, 1234));
    assert_eq!(fs::read_to_string(container.data("old")).unwrap(), "old");
    // Nothing was written into the container itself.
    let written = files(&container.world.at("upper"));
    assert!(written.is_empty(), "{written:?}");
}

/// What the night would show, `plan` and `check --host` say before it.
#[test]
#[ignore = "needs root, and the static program"]
fn without_cap_lease_it_is_said_before_which_files_stay() {
    let container = Container::new(|image| image.capabilities = Some(DEFAULT_CAPABILITIES.to_owned()));
    container.fill();
    let plan = output_of(&container.run(&["plan", "/etc/opsrun/ops.kdl"]), 0);
    let stays = "1 file will be kept (lease-denied): only their owner or CAP_LEASE";
    assert!(plan.contains(stays) && plan.contains("--cap-add LEASE"), "{plan}");
    let host = output_of(&container.run(&["check", "--host", "/etc/opsrun/ops.kdl"]), 0);
    assert!(
        host.contains("keeps files of other users, such as `other`") && host.contains("--cap-add LEASE"),
        "{host}"
    );
    let text = output_of(&container.run(&["apply", "--yes", "/etc/opsrun/ops.kdl"]), 4);
    assert!(
        text.contains("1 file deleted") && text.contains("`other` kept (lease-denied)"),
        "{text}"
    );
    assert!(!container.data("old").exists() && container.data("other").exists());
}

/// A source in the container itself is on overlayfs.
#[test]
#[ignore = "needs root, and the static program"]
fn a_source_without_a_volume_is_said_before() {
    let container = Container::new(|image| image.volumes.retain(|(_, to, _)| to != "/data"));
    let data = container.world.at("image/data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("old"), "old").unwrap();
    set_age(&data.join("old"), 60);
    let plan = output_of(&container.run(&["plan", "/etc/opsrun/ops.kdl"]), 0);
    assert!(plan.contains("1 file will be kept (in-use): on overlayfs"), "{plan}");
    let host = output_of(&container.run(&["check", "--host", "/etc/opsrun/ops.kdl"]), 0);
    assert!(
        host.contains("deletes nothing: its source is on overlayfs") && host.contains("a volume"),
        "{host}"
    );
}
