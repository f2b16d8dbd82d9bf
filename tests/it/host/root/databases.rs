//! `examples/databases` with real servers: dumped, copied, lost, restored from the copy, and compared.

use crate::support::workspace::{Workspace, is_root, opsrun, output_of, run_with_input};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The example in a directory that every user may enter; `changes` are made to its text.
fn example(job: &str, changes: &[(&str, &str)]) -> Workspace {
    assert!(is_root(), "this test must run as root");
    let mut ops = fs::read_to_string("examples/databases/ops.kdl").unwrap();
    // No mail server is asked.
    for (old, new) in changes.iter().chain(&[("mail.example.com:587", "127.0.0.1:9")]) {
        assert!(ops.contains(old), "{old}");
        ops = ops.replace(old, new);
    }
    let world = Workspace::new(&ops);
    fs::set_permissions(world.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(world.at("mail-password"), "none").unwrap();
    let checked = output_of(
        &opsrun(world.path(), &["check", "--fail-on", "warning"])
            .output()
            .unwrap(),
        0,
    );
    assert!(!checked.contains("warning"), "{job}: {checked}");
    world
}

/// Dumps, loses the dump, and gives the text of the dump that was restored from the copy.
fn dumped_lost_and_restored(world: &Workspace, job: &str) -> Vec<u8> {
    let only = format!("retention:{job}");
    let said = output_of(
        &opsrun(world.path(), &["apply", "--yes", "--only", &only])
            .output()
            .unwrap(),
        0,
    );
    assert!(
        said.contains(&format!("target:{job}")) && said.contains("wrote `"),
        "{said}"
    );
    let dumps = world.at("dumps").join(job);
    assert_eq!(fs::read_dir(&dumps).unwrap().count(), 1);
    fs::remove_dir_all(&dumps).unwrap();
    let restore = ["restore", "--backup", job, "**", "--to", "restored"];
    output_of(&opsrun(world.path(), &restore).output().unwrap(), 0);
    let mut found = fs::read_dir(world.at("restored")).unwrap();
    let dump = found.next().unwrap().unwrap().path();
    assert!(found.next().is_none());
    zstd::decode_all(fs::File::open(dump).unwrap()).unwrap()
}

/// A command of another user.
fn as_user(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", user, "--regid", user, "--clear-groups"])
        .arg(program)
        .current_dir("/");
    command
}

fn owned_by(directory: &Path, user: &str) {
    fs::create_dir(directory).unwrap();
    let user = nix::unistd::User::from_name(user).unwrap().unwrap();
    chown(directory, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
}

/// Ends a server, whatever becomes of the test.
struct Server(Child);

impl Server {
    /// Starts it, and waits until `asks` succeeds.
    fn start(mut command: Command, asks: impl Fn() -> Command) -> Self {
        let server = Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let since = Instant::now();
        while !asks().output().unwrap().status.success() {
            assert!(
                since.elapsed() < Duration::from_secs(120),
                "{command:?} does not answer"
            );
            std::thread::yield_now();
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // QUIT is what PostgreSQL ends at once at; its processes end with it.
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), rustix::process::Signal::QUIT);
        let since = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && since.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const ROWS: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, item VARCHAR(80), price DECIMAL(10,2));
    INSERT INTO orders VALUES (1, 'Käse | \"Brot\"', 3.50), (2, 'line\nbreak', 0.99), (3, NULL, 12345.67);";
const SUMS: &str = "SELECT COUNT(*), SUM(price), MAX(item), MIN(item) FROM orders";

#[test]
#[ignore = "needs root and a PostgreSQL server"]
fn postgresql_comes_back_from_its_copy() {
    let sockets = tempfile::tempdir().unwrap();
    let sockets = sockets.path().join("pg");
    fs::set_permissions(sockets.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    owned_by(&sockets, "postgres");
    let world = example("postgresql", &[("/run/postgresql", sockets.to_str().unwrap())]);
    let versions = fs::read_dir("/usr/lib/postgresql").expect("the package postgresql is installed");
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path()).collect();
    versions.retain(|version| version.join("bin/initdb").exists());
    versions.sort();
    let bin = versions.pop().expect("the package postgresql is installed").join("bin");
    let data = sockets.join("data");
    let mut made = as_user("postgres", &bin.join("initdb"));
    output_of(
        &made
            .arg("-D")
            .arg(&data)
            .args(["-E", "UTF8", "--locale=C", "--no-sync"])
            .output()
            .unwrap(),
        0,
    );
    let mut server = as_user("postgres", &bin.join("postgres"));
    server
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(&sockets)
        .args(["-c", "listen_addresses="]);
    let psql = |database: &str| {
        let mut command = as_user("postgres", &bin.join("psql"));
        command
            .env("PGHOST", &sockets)
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database]);
        command
    };
    let _server = Server::start(server, || {
        let mut ask = psql("postgres");
        ask.args(["-c", "SELECT 1"]);
        ask
    });
    let ask = |database: &str, question: &str| output_of(&psql(database).args(["-c", question]).output().unwrap(), 0);
    ask("postgres", "CREATE DATABASE shop");
    ask("shop", ROWS);
    let before = ask("shop", SUMS);
    assert!(before.starts_with("3|12350.16|"), "{before}");

    let dump = dumped_lost_and_restored(&world, "postgresql");
    ask("postgres", "DROP DATABASE shop");
    // Of a database that is gone there is no dump, and no copy.
    let said = output_of(
        &opsrun(world.path(), &["apply", "--yes", "--only", "backup:postgresql"])
            .output()
            .unwrap(),
        1,
    );
    assert!(said.contains("database \"shop\" does not exist"), "{said}");
    assert_eq!(fs::read_dir(world.at("dumps/postgresql")).unwrap().count(), 0);
    ask("postgres", "CREATE DATABASE shop");
    output_of(&run_with_input(&mut psql("shop"), &dump), 0);
    assert_eq!(ask("shop", SUMS), before);
}

#[test]
#[ignore = "needs root and a MariaDB server"]
fn mariadb_comes_back_from_its_copy() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // The package of the server alone makes no user.
    let user = "nobody";
    let home = directory.path().join("db");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(65534), Some(65534)).unwrap();
    let (data, socket) = (home.join("data"), home.join("socket"));
    let world = example(
        "mariadb",
        &[
            ("/run/mysqld/mysqld.sock", socket.to_str().unwrap()),
            ("user \"mysql\"", "user \"nobody\""),
        ],
    );
    let mut made = Command::new("mariadb-install-db");
    made.args([
        "--no-defaults",
        "--skip-test-db",
        "--auth-root-authentication-method=normal",
    ]);
    made.arg(format!("--user={user}"))
        .arg(format!("--datadir={}", data.display()));
    output_of(&made.output().unwrap(), 0);
    let mut server = Command::new("mariadbd");
    server.args(["--no-defaults", "--skip-networking", "--skip-grant-tables"]);
    server
        .arg(format!("--user={user}"))
        .arg(format!("--datadir={}", data.display()));
    server.arg(format!("--socket={}", socket.display()));
    let client = |database: &str| {
        let mut command = Command::new("mariadb");
        command.args([
            "--no-defaults",
            "-N",
            "-B",
            "--default-character-set=utf8mb4",
            "-D",
            database,
        ]);
        command.arg(format!("--socket={}", socket.display()));
        command
    };
    let _server = Server::start(server, || {
        let mut ask = client("mysql");
        ask.args(["-e", "SELECT 1"]);
        ask
    });
    let ask = |database: &str, question: &str| output_of(&client(database).args(["-e", question]).output().unwrap(), 0);
    ask("mysql", "CREATE DATABASE shop CHARACTER SET utf8mb4");
    ask("shop", ROWS);
    let before = ask("shop", SUMS);
    assert!(before.starts_with("3\t12350.16\t"), "{before}");
    let dump = dumped_lost_and_restored(&world, "mariadb");
    ask("mysql", "DROP DATABASE shop");
    ask("mysql", "CREATE DATABASE shop CHARACTER SET utf8mb4");
    output_of(&run_with_input(&mut client("shop"), &dump), 0);
    assert_eq!(ask("shop", SUMS), before);
}

#[test]
#[ignore = "needs root and sqlite3"]
fn sqlite_comes_back_from_its_copy() {
    let world = example("sqlite", &[]);
    fs::create_dir(world.at("app")).unwrap();
    let ask = |file: &str, question: &str| {
        output_of(
            &Command::new("sqlite3")
                .arg(world.at(file))
                .arg(question)
                .output()
                .unwrap(),
            0,
        )
    };
    ask("app/app.db", ROWS);
    let before = ask("app/app.db", SUMS);
    let dump = dumped_lost_and_restored(&world, "sqlite");
    fs::remove_file(world.at("app/app.db")).unwrap();
    let said = output_of(
        &opsrun(world.path(), &["apply", "--yes", "--only", "backup:sqlite"])
            .output()
            .unwrap(),
        1,
    );
    assert!(said.contains("unable to open database"), "{said}");
    output_of(
        &run_with_input(Command::new("sqlite3").arg(world.at("app/new.db")), &dump),
        0,
    );
    assert_eq!(ask("app/new.db", SUMS), before);
    assert!(before.starts_with("3|12350.16|"), "{before}");
}
