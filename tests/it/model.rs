//! What valid files mean: every setting arrives in the model, defaults are filled in, paths are absolute.
#![expect(clippy::panic, reason = "a test may fail by panicking")]

use opsrun::config::{CheckOptions, LoadError, check, load, load_text};
use opsrun::model::backoff::BackOff;
use opsrun::model::channel::{ChannelKind, MailTls, RateLimit, Severity, WebChannel, WebService};
use opsrun::model::check::{Address, Levels, Probe, Space, Worst};
use opsrun::model::schedule::{FoldPolicy, GapPolicy, Missed, Rhythm};
use opsrun::model::{
    Contents, InUse, JobName, Keep, Matches, Model, Overlap, Program, Retry, SecretSource, Strategy, Value,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn model(text: &str) -> Model {
    let loaded = load_text(Path::new("/etc/opsrun/observer.kdl"), text.as_bytes().to_vec());
    loaded
        .model
        .as_ref()
        .unwrap_or_else(|| panic!("{}", loaded.render(false, 100)))
        .clone()
}

const DAY: Duration = Duration::from_hours(24);

#[test]
fn every_setting_arrives() {
    let loaded = load(Path::new("tests/findings/good/full.kdl")).unwrap();
    let model = loaded.model.expect("valid");
    assert_eq!(model.ops.name, "observer");
    assert_eq!(model.ops.timezone.name(), "Asia/Seoul");
    assert_eq!(model.ops.concurrency, Some(4));
    let here = std::env::current_dir().unwrap().join("tests/findings/good");
    assert_eq!(model.ops.state_dir, here.join(".opsrun/observer"));
    assert_eq!(model.ops.files, [here.join("full.kdl")]);
    assert_eq!(model.ops.digest.len(), 64);
    let backup = model.backup("observer").unwrap();
    assert_eq!(backup.source, PathBuf::from("/srv/observer/data"));
    assert_eq!(backup.to, PathBuf::from("/backup/observer"));
    assert_eq!(backup.select.include.len(), 3);
    assert_eq!(backup.select.exclude[0].as_str(), "tmp/**");
    assert_eq!(
        (backup.strategy, backup.contents, backup.floor),
        (Strategy::Archive { level: 6 }, Contents::Expired, 2)
    );
    assert_eq!(backup.stall, Some(3 * DAY));
    assert_eq!(backup.timeout, Some(Duration::from_hours(4)));
    assert!(backup.cross_mounts && !backup.job.paused);
    assert_eq!(backup.keep.as_ref().unwrap().deleted, Some(2 * 366 * DAY));
    let logs = model.backup("logs").unwrap();
    assert_eq!(logs.source, here.parent().unwrap().join("logs"));
    let keep = logs.keep.as_ref().unwrap();
    assert_eq!(
        (
            keep.last,
            keep.hourly,
            keep.daily,
            keep.weekly,
            keep.monthly,
            keep.yearly
        ),
        (7, 24, 14, 8, 12, 3)
    );
    assert_eq!(keep.within, Some(30 * DAY));
    let retention = model.retentions_of("observer").next().unwrap();
    assert!(matches!(&retention.classes[0].matches, Matches::Keyword(word) if word == "decision"));
    assert_eq!(retention.classes[0].keep, Keep::Forever);
    assert!(matches!(&retention.classes[2].matches, Matches::Globs(globs) if globs[0].as_str() == "raw/**"));
    assert_eq!(
        (retention.classes[2].keep, retention.classes[2].keep_newest),
        (Keep::For(7 * DAY), 24)
    );
    assert_eq!(retention.exclude[0].as_str(), "raw/pinned/**");
    let budget = retention.max_delete;
    assert_eq!(
        (budget.files, budget.bytes, budget.share),
        (Some(50_000), Some(200 << 30), Some(20))
    );
    assert!(retention.remove_empty_dirs);
    assert_eq!(retention.in_use, InUse::Keep);
}

#[test]
fn commands_and_their_values_arrive() {
    let model = load(Path::new("tests/findings/good/running.kdl"))
        .unwrap()
        .model
        .unwrap();
    let here = std::env::current_dir().unwrap().join("tests/findings/good");
    let at = |path: &str| here.join(path);
    let argv = |words: &[&str]| {
        let program = at(words[0]).to_str().unwrap().to_owned();
        let mut all = vec![program];
        all.extend(words[1..].iter().map(|word| (*word).to_owned()));
        all
    };
    let pipeline = &model.targets[0];
    assert_eq!(pipeline.name, "pipeline");
    assert_eq!(
        pipeline.command.program,
        Program::Argv(argv(&["bin/pipeline", "-m", "pipeline", "--once"]))
    );
    assert_eq!(pipeline.command.cwd, at("app"));
    let value = |name: &str| {
        let found = pipeline.command.env.iter().find(|(known, _)| known == name);
        found.unwrap().1.clone()
    };
    assert_eq!(value("MODE"), Value::Plain("live".to_owned()));
    assert_eq!(value("EMPTY"), Value::Plain(String::new()));
    let secret = |name: &str| match value(name) {
        Value::Secret(source) => source,
        Value::Plain(text) => panic!("{text}"),
    };
    assert_eq!(secret("BROKER_TOKEN"), SecretSource::Env("OPS_BROKER_TOKEN".to_owned()));
    assert_eq!(secret("BROKER_PASSWORD"), SecretSource::File(at("secrets/broker")));
    assert_eq!(
        secret("BROKER_SECRET"),
        SecretSource::Command(argv(&["bin/pass", "show", "broker"]), here.clone())
    );
    let names: Vec<String> = pipeline.job.needs.iter().map(JobName::to_string).collect();
    assert_eq!(names, ["check:heartbeat", "backup:data"]);
    assert_eq!(
        (pipeline.timeout, pipeline.kill_after),
        (Some(Duration::from_mins(4)), Duration::from_secs(20))
    );
    assert_eq!(
        pipeline.retry,
        Some(Retry {
            max: 3,
            wait: Duration::from_secs(2),
            factor: 1.5,
            cap: Duration::from_secs(30),
        })
    );
    assert_eq!(
        (pipeline.ok_codes.as_slice(), pipeline.job.paused),
        (&[0, 3][..], false)
    );
    let line = &model.targets[1];
    assert_eq!(line.command.program, Program::Pipefail("bin/list | wc -l".to_owned()));
    assert_eq!((line.timeout, line.kill_after), (None, Duration::from_secs(10)));
    assert_eq!(
        line.retry,
        Some(Retry {
            max: 1,
            wait: Duration::from_secs(1),
            factor: 2.0,
            cap: Duration::from_mins(5),
        })
    );
    assert_eq!((line.ok_codes.as_slice(), line.job.paused), (&[0][..], true));
    assert_eq!(line.command.cwd, here);
    // A name is looked up where programs are.
    assert_eq!(model.targets[2].command.program, Program::Argv(vec!["true".to_owned()]));
    assert_eq!(model.backup("data").unwrap().strategy, Strategy::Copy);
    assert_eq!(model.backup("data").unwrap().job.needs[0].to_string(), "check:disk");
    let names: Vec<String> = model.retentions[0].job.needs.iter().map(JobName::to_string).collect();
    assert_eq!(names, ["check:web", "backup:data"]);
}

#[test]
fn probes_arrive() {
    let model = load(Path::new("tests/findings/good/running.kdl"))
        .unwrap()
        .model
        .unwrap();
    let here = std::env::current_dir().unwrap().join("tests/findings/good");
    let check = |name: &str| model.checks.iter().find(|check| check.name == name).unwrap();
    let seconds = |warn: Option<u64>, critical: Option<u64>| Levels {
        warn: warn.map(Duration::from_secs),
        critical: critical.map(Duration::from_secs),
    };
    let heartbeat = check("heartbeat");
    assert_eq!(
        (heartbeat.timeout, heartbeat.worst),
        (Duration::from_secs(5), Worst::Warning)
    );
    assert!(matches!(&heartbeat.probe, Probe::FileAge { path, age }
        if *path == here.join("run/heartbeat") && *age == seconds(Some(60), Some(90))));
    let disk = check("disk");
    assert_eq!(
        (disk.timeout, disk.worst, disk.job.paused),
        (Duration::from_secs(10), Worst::Critical, false)
    );
    assert!(matches!(&disk.probe, Probe::DiskSpace { path, free }
        if *path == here.join("data")
            && *free == Levels { warn: Some(Space::Percent(25)), critical: Some(Space::Percent(15)) }));
    assert!(matches!(&check("room").probe, Probe::DiskSpace { free, .. }
        if *free == Levels { warn: None, critical: Some(Space::Bytes(10 << 30)) }));
    let broker = check("broker");
    let address = Address {
        host: "::1".to_owned(),
        port: 9092,
    };
    assert!(matches!(&broker.probe, Probe::Tcp { address: asked, latency }
        if *asked == address && latency.warn == Some(Duration::from_millis(100)) && latency.critical.is_none()));
    assert_eq!(broker.job.needs.len(), 2);
    let Probe::Http(web) = &check("web").probe else {
        panic!("no http probe");
    };
    assert_eq!(
        web.url,
        Value::Plain("https://host.example.com:8443/health?full=1".to_owned())
    );
    assert_eq!(web.status, [200, 204]);
    assert_eq!(web.latency.critical, Some(Duration::from_millis(800)));
    assert_eq!(
        web.headers[1].1,
        Value::Secret(SecretSource::Env("WEB_AUTH".to_owned()))
    );
    let wanted: Vec<String> = web
        .json
        .iter()
        .map(|one| format!("{}={}", one.pointer, one.value))
        .collect();
    assert_eq!(
        wanted,
        [
            "/status=\"UP\"",
            "/count=-3",
            "/share=1.5",
            "/ready=true",
            "/error=null",
            "=7"
        ]
    );
    assert_eq!(web.ca_file, Some(here.join("ca.pem")));
    let url = |name: &str| match &check(name).probe {
        Probe::Http(http) => http.url.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(url("hidden"), Value::Secret(SecretSource::Env("HEALTH_URL".to_owned())));
    assert!(matches!(url("fetched"), Value::Secret(SecretSource::Command(words, _)) if words.len() == 3));
    assert!(
        matches!(&check("certificate").probe, Probe::TlsExpiry { address, left, ca_file, verified: true }
        if address.to_string() == "api.example.com:443"
            && *left == Levels { warn: Some(21 * DAY), critical: Some(7 * DAY) }
            && *ca_file == Some(PathBuf::from("/etc/ca.pem")))
    );
    let queue = check("queue");
    assert_eq!(
        (queue.timeout, queue.kill_after),
        (Duration::from_secs(30), Duration::from_secs(1))
    );
    assert!(matches!(&queue.probe, Probe::Command { command }
        if command.cwd == Path::new("/srv") && command.env.len() == 1));
    assert!(matches!(&check("script").probe, Probe::Command { command }
        if matches!(command.program, Program::Shell(_)) && command.cwd == here));
    assert!(matches!(&check("fresh").probe, Probe::Job { job, age, duration }
        if job.to_string() == "target:pipeline"
            && *age == seconds(Some(300), Some(600))
            && *duration == seconds(Some(2), None)));
}

#[test]
fn a_program_starts_at_its_file_and_runs_at_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    write("ops.kdl", "import \"conf.d/*.kdl\"\n");
    write(
        "conf.d/a.kdl",
        "target \"a\" { command \"../bin/./a\" \"./b\"; env \"K\" from-file=\"k\"; }",
    );
    let model = load(&dir.path().join("ops.kdl")).unwrap().model.unwrap();
    let command = &model.targets[0].command;
    let program = dir.path().join("bin/a").to_str().unwrap().to_owned();
    assert_eq!(command.program, Program::Argv(vec![program, "./b".to_owned()]));
    assert_eq!(command.cwd, dir.path());
    assert_eq!(
        command.env[0].1,
        Value::Secret(SecretSource::File(dir.path().join("conf.d/k")))
    );
}

/// A directory whose name is no text can hold an ops file, but no program that is named relative to it.
#[test]
fn a_program_below_a_directory_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let name = Path::new(std::ffi::OsStr::from_bytes(b"/srv/\xff/ops.kdl"));
    let codes = |text: &str| -> Vec<&str> {
        let loaded = load_text(name, text.as_bytes().to_vec());
        assert_eq!(loaded.model.is_some(), loaded.findings.is_empty());
        loaded.findings.iter().map(|f| f.code.id()).collect()
    };
    assert_eq!(codes("target \"a\" { command \"bin/a\"; }"), ["OPS2008"]);
    assert_eq!(codes("check \"a\" { http { from-command \"bin/a\"; }; }"), ["OPS2008"]);
    assert_eq!(codes("target \"a\" { command \"/bin/a\" \"b/c\"; }"), [""; 0]);
}

#[test]
fn defaults_are_filled_in() {
    let model = model("backup \"a\" { source \"data\"; to \"../../mnt/./b\"; }");
    assert_eq!(model.ops.name, "observer");
    assert_eq!(model.ops.timezone, opsrun::time_zone::Zone::utc());
    assert_eq!(model.ops.state_dir, PathBuf::from("/var/lib/opsrun/observer"));
    assert_eq!(model.ops.concurrency, None);
    let backup = &model.backups[0];
    assert_eq!(backup.source, PathBuf::from("/etc/opsrun/data"));
    assert_eq!(backup.to, PathBuf::from("/mnt/b"));
    assert_eq!(
        (backup.strategy, backup.contents, backup.floor),
        (Strategy::Archive { level: 6 }, Contents::All, 1)
    );
    assert!(backup.keep.is_none() && backup.stall.is_none() && !backup.cross_mounts && !backup.job.paused);
}

#[test]
fn imports_are_read_in_order_and_change_the_digest() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir_all(dir.path().join("conf.d/deep")).unwrap();
    write("ops.kdl", "import \"conf.d/**/*.kdl\"\n");
    write("conf.d/b.kdl", "backup \"b\" { source \"x\"; to \"/backup/b\"; }");
    write("conf.d/deep/a.kdl", "backup \"a\" { source \"x\"; to \"/backup/a\"; }");
    let read = || load(&dir.path().join("ops.kdl")).unwrap().model.unwrap();
    let model = read();
    let names: Vec<_> = model
        .ops
        .files
        .iter()
        .map(|f| f.strip_prefix(dir.path()).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(names, ["ops.kdl", "conf.d/b.kdl", "conf.d/deep/a.kdl"]);
    assert_eq!(model.backup("a").unwrap().source, dir.path().join("conf.d/deep/x"));
    write("conf.d/b.kdl", "backup \"b\" { source \"y\"; to \"/backup/b\"; }");
    assert_ne!(read().ops.digest, model.ops.digest);
}

#[test]
fn what_cannot_be_read_is_no_finding() {
    for path in ["tests/no-such-file.kdl", "tests"] {
        assert!(
            matches!(load(Path::new(path)), Err(LoadError::Unreadable { .. })),
            "{path}"
        );
    }
}

#[test]
fn what_could_not_be_read_causes_no_more_findings() {
    let codes = |text: &str| -> Vec<&str> {
        let loaded = load_text(Path::new("ops.kdl"), text.as_bytes().to_vec());
        loaded.findings.iter().map(|f| f.code.id()).collect()
    };
    let retention = "retention \"r\" backup=\"a\" { class \"old\" \"**\" keep=\"1d\"; max-delete files=1; }\n";
    for broken in [
        "backup \"a\" { { } }\n",
        "backup \"a\" { source \"/x\"; to \"/y\" \n",
        "backup \"a\" { source /x; to \"/y\"; }\n",
        "bakcup \"a\" { source \"/x\"; to \"/y\"; }\n",
        "import \"none.kdl\"\n",
    ] {
        assert_eq!(codes(&format!("{broken}{retention}")).len(), 1, "{broken}");
    }
    for broken in [
        "target \"a\" { { } }\n",
        "check \"a\" { tcp \"a:1\" \n",
        "traget \"a\" { command \"true\"; }\n",
        "target \"a\" { command /bin/a; }\n",
        "check \"a\" { tcp a/b; }\n",
        "retention \"a\" { { } }\n",
        "import \"none.kdl\"\n",
    ] {
        for kind in ["target", "check"] {
            let both = format!("{broken}target \"b\" {{ command \"true\"; needs \"{kind}:a\"; }}\n");
            let found = codes(&both);
            // A job that was read under its kind is known by it.
            let read = ["target \"a\" { command", "traget", "check"];
            let other = if broken.starts_with("check") { "target" } else { "check" };
            let known = kind == other && read.iter().any(|start| broken.starts_with(start));
            assert_eq!(found.len(), if known { 2 } else { 1 }, "{broken} {kind} {found:?}");
        }
    }
    // What an unread part would have given rise to is not missed by an `allow`.
    for inside in [
        "tpc \"a:1\"",
        "file-age \"a\" warn=\"2\" critical=\"1m\"",
        "tcp \"a:1\" { latency wrn=\"1s\"; }",
    ] {
        let text = format!("check \"a\" {{ {inside}; allow \"thresholds-order\" reason=\"r\"; }}");
        assert_eq!(codes(&text).len(), 1, "{inside}");
    }
    assert_eq!(
        codes("target \"My Job\" { command \"a\"; }\ntarget \"b\" { command \"b\"; needs \"target:my-job\"; }"),
        ["OPS2008"]
    );
    // But what is known stays known.
    assert_eq!(
        codes(&format!("backup \"b\" {{ source /x; to \"/y\"; }}\n{retention}")),
        ["OPS1001", "OPS3002"]
    );
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn schedules_arrive_with_their_defaults() {
    let now = "2026-11-25T12:00:00Z".parse().unwrap();
    let file = Path::new("tests/findings/good/timing.kdl");
    let options = CheckOptions { now, host: false };
    let loaded = check(file, std::fs::read(file).unwrap(), options);
    let model = loaded.model.unwrap();
    let names: Vec<&str> = model.schedules.iter().map(|schedule| schedule.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "nightly",
            "early",
            "pulse",
            "idle",
            "check:broker",
            "target:report",
            "backup:own"
        ]
    );
    let nightly = model.schedule("nightly").unwrap();
    let Rhythm::Cron(clock) = &nightly.rhythm else {
        panic!("{nightly:?}");
    };
    assert_eq!(
        (clock.cron.to_string().as_str(), clock.zone.name()),
        ("0 21 * * MON-FRI", "Asia/Seoul")
    );
    assert_eq!(
        (clock.gap, clock.fold, clock.dst_given),
        (GapPolicy::RunAfter, FoldPolicy::First, true)
    );
    assert_eq!(nightly.jitter, Some(Duration::from_mins(2)));
    assert_eq!(nightly.missed, Missed::Latest { window: Some(DAY) });
    let early = model.schedule("early").unwrap();
    let Rhythm::Cron(clock) = &early.rhythm else {
        panic!("{early:?}");
    };
    assert_eq!(
        (clock.zone.name(), clock.gap, clock.fold),
        ("Europe/Berlin", GapPolicy::Skip, FoldPolicy::Both)
    );
    assert_eq!(
        early.missed,
        Missed::All {
            max: 3,
            window: Some(2 * DAY)
        }
    );
    let report = model.schedule("target:report").unwrap();
    assert_eq!((report.jitter, report.missed), (None, Missed::Latest { window: None }));
    let broker = model.schedule("check:broker").unwrap();
    assert_eq!(
        (&broker.rhythm, broker.missed),
        (&Rhythm::Every(Duration::from_mins(1)), Missed::Skip)
    );

    let by = |job: &str| {
        let job = model.jobs().find(|other| other.name().to_string() == job).unwrap();
        job.schedule().map(str::to_owned)
    };
    assert_eq!(by("target:pipeline").as_deref(), Some("pulse"));
    assert_eq!(by("target:report").as_deref(), Some("target:report"));
    assert_eq!(by("target:by-hand"), None);
    assert_eq!(by("check:broker").as_deref(), Some("check:broker"));
    assert_eq!(by("retention:data"), None, "it runs with its backup");

    // Twice the longest time between two runs: from Friday to Monday, and of a day that has 25 hours.
    assert_eq!(model.backup("data").unwrap().stall, Some(6 * DAY));
    assert_eq!(model.backup("own").unwrap().stall, Some(DAY));
    // One night it comes twice, an hour apart; another night is skipped.
    assert_eq!(model.backup("early").unwrap().stall, Some(Duration::from_hours(2 * 47)));
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn channels_arrive_with_their_defaults() {
    let loaded = load(Path::new("tests/findings/good/timing.kdl")).unwrap();
    let model = loaded.model.unwrap();
    let here = std::env::current_dir().unwrap().join("tests/findings/good");
    let channel = |name: &str| model.channel(name).unwrap();
    let plain = |text: &str| Value::Plain(text.to_owned());
    let env = |name: &str| Value::Secret(SecretSource::Env(name.to_owned()));

    let ops = channel("ops");
    assert_eq!(
        (ops.min_severity, ops.repeat),
        (Severity::Info, Some(Duration::from_hours(4)))
    );
    assert_eq!(
        ops.rate_limit,
        Some(RateLimit {
            count: 10,
            per: Duration::from_hours(1)
        })
    );
    assert_eq!(ops.timeout, Duration::from_secs(10));
    assert_eq!(
        ops.kind,
        ChannelKind::Web(WebChannel {
            service: WebService::Webhook,
            settings: vec![
                ("url", plain("https://alerts.example.com/opsrun?team=ops")),
                ("hmac", env("OPS_WEBHOOK_KEY")),
            ],
            headers: vec![
                ("Accept".to_owned(), plain("application/json")),
                (
                    "Authorization".to_owned(),
                    Value::Secret(SecretSource::File(here.join("secrets/webhook")))
                ),
            ],
            ca_file: Some(here.join("ca.pem")),
        })
    );
    let ChannelKind::Email(mail) = &channel("mail").kind else {
        panic!("no mail");
    };
    assert_eq!(mail.to, ["ops@example.com", "boss+ops@example.com"]);
    assert_eq!(
        (mail.smtp.to_string().as_str(), mail.tls),
        ("mail.example.com:587", MailTls::StartTls)
    );
    assert_eq!(mail.user, Some(plain("opsrun")));
    let pass = here.join("bin/pass").to_str().unwrap().to_owned();
    assert_eq!(
        mail.password,
        Some(Value::Secret(SecretSource::Command(
            vec![pass, "show".to_owned(), "mail".to_owned()],
            here.clone()
        )))
    );
    let ChannelKind::Email(relay) = &channel("relay").kind else {
        panic!("no mail");
    };
    assert_eq!((relay.tls, &relay.user, &relay.password), (MailTls::None, &None, &None));
    let page = channel("page");
    let ChannelKind::Command(command) = &page.kind else {
        panic!("no command");
    };
    assert_eq!((command.cwd.as_path(), command.env.len()), (Path::new("/srv"), 1));
    assert_eq!(
        (page.min_severity, page.repeat, page.rate_limit),
        (
            Severity::Critical,
            None,
            Some(RateLimit {
                count: 30,
                per: Duration::from_secs(600)
            })
        )
    );
    let line = channel("line");
    assert_eq!((line.rate_limit, line.fallback.as_deref()), (None, Some("mail")));
    let report = "target:report".parse().unwrap();
    assert_eq!(
        (channel("alive").rate_limit, &channel("alive").follows),
        (None, &Some(vec![report]))
    );
    assert_eq!(channel("duty").rate_limit, None);
    let spare = channel("spare");
    assert_eq!(
        (spare.min_severity, spare.timeout),
        (Severity::Warning, Duration::from_secs(30))
    );
    assert_eq!(
        channel("bot").kind,
        ChannelKind::Web(WebChannel {
            service: WebService::Telegram,
            settings: vec![
                ("token", env("TELEGRAM_TOKEN")),
                ("chat", plain("-100123")),
                ("api-url", plain("http://127.0.0.1:8081")),
            ],
            headers: Vec::new(),
            ca_file: None,
        })
    );
    assert_eq!(
        channel("duty").kind,
        ChannelKind::Web(WebChannel {
            service: WebService::Pagerduty,
            settings: vec![
                ("routing-key", env("PAGERDUTY_KEY")),
                ("url", plain("https://events.eu.pagerduty.com/v2/enqueue")),
            ],
            headers: Vec::new(),
            ca_file: None,
        })
    );
    let kinds: Vec<&str> = model.channels.iter().map(|channel| channel.kind.word()).collect();
    assert_eq!(
        kinds,
        [
            "webhook",
            "email",
            "email",
            "command",
            "command",
            "slack",
            "discord",
            "telegram",
            "ntfy",
            "pagerduty",
            "healthchecks",
            "command",
            "command"
        ]
    );
    // Whatever is a secret is known to be one before anything is shown.
    let secrets = model.values().filter(|value| matches!(value, Value::Secret(_)));
    assert_eq!(secrets.count(), 9);
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn repeated_runs_and_whom_they_tell() {
    let loaded = load(Path::new("tests/findings/good/timing.kdl")).unwrap();
    let model = loaded.model.unwrap();
    let target = |name: &str| model.targets.iter().find(|target| target.name == name).unwrap();
    assert_eq!(target("pipeline").overlap, Overlap::Queue);
    assert_eq!(
        target("pipeline").back_off,
        Some(BackOff {
            after: 3,
            wait: Duration::from_secs(5),
            factor: 2.0,
            cap: Duration::from_hours(1)
        })
    );
    assert_eq!(
        target("by-hand").back_off,
        Some(BackOff {
            after: 1,
            wait: Duration::from_mins(1),
            factor: 2.0,
            cap: Duration::from_hours(1)
        })
    );
    assert_eq!(
        (target("report").overlap, target("report").back_off),
        (Overlap::Allow, None)
    );
    let check = |name: &str| model.checks.iter().find(|check| check.name == name).unwrap();
    let broker = check("broker");
    assert_eq!((broker.fail_after, broker.recover_after), (3, 2));
    assert_eq!(broker.silenced_by.as_deref(), Some("network"));
    assert_eq!(broker.job.notify.as_deref(), Some(&["page".to_owned()][..]));
    let network = check("network");
    assert_eq!(
        (
            network.fail_after,
            network.recover_after,
            &network.silenced_by,
            &network.job.notify
        ),
        (1, 1, &None, &None)
    );
}

#[test]
#[cfg_attr(not(feature = "email"), ignore = "needs the feature email")]
fn without_more_the_port_says_how_mail_is_protected() {
    let tls = |port: u16| {
        let model = model(&format!(
            "target \"t\" {{ command \"true\"; }}\n\
             channel \"m\" {{ email {{ to \"a@b\"; from \"a@b\"; smtp \"mail:{port}\"; }}; }}"
        ));
        match &model.channels[0].kind {
            ChannelKind::Email(mail) => mail.tls,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        [tls(465), tls(587), tls(25)],
        [MailTls::Tls, MailTls::StartTls, MailTls::StartTls]
    );
}
