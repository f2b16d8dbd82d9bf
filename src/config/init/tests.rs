use super::command::{CronCommand, name, parts, run};
use super::crontab_line::{CronTime, CrontabLine, line};
use super::*;
use std::path::Path;

fn setting() -> CrontabOrigin {
    CrontabOrigin {
        users: false,
        user: Some("ops".to_owned()),
        home: Some("/home/ops".to_owned()),
        timezone: Some("Europe/Berlin".to_owned()),
    }
}

fn translated(text: &str) -> TranslatedCrontab {
    let done = crontab(text.as_bytes(), &setting());
    let loaded = crate::config::load_text(Path::new("ops.kdl"), done.text.clone().into_bytes());
    assert_eq!(loaded.errors(), 0, "{}\n{}", done.text, loaded.render(false, 100));
    assert_eq!(
        crate::config::format::format(&done.text).as_deref(),
        Ok(done.text.as_str())
    );
    assert_eq!(loaded.model.unwrap().targets.len(), done.targets, "{}", done.text);
    done
}

#[test]
#[cfg_attr(not(feature = "http"), ignore = "needs the feature http")]
fn the_starter_is_valid_with_all_or_nothing_commented_out() {
    let starter = crate::config::load_text(Path::new("ops.kdl"), STARTER.as_bytes().to_vec());
    assert!(starter.findings.is_empty(), "{}", starter.render(false, 100));
    assert_eq!(crate::config::format::format(STARTER).as_deref(), Ok(STARTER));
    let whole = STARTER.replace("`/-`", "").replace("/-", "");
    let loaded = crate::config::load_text(Path::new("ops.kdl"), whole.into_bytes());
    assert!(loaded.findings.is_empty(), "{}", loaded.render(false, 100));
}

#[test]
fn lines_of_a_crontab() {
    assert_eq!(line(" \t", false), CrontabLine::Blank);
    assert_eq!(line("  # x", false), CrontabLine::Comment(" x"));
    assert_eq!(line("A_1 = 'b c'  ", false), CrontabLine::Setting("A_1", "b c"));
    assert_eq!(line("PATH=/a:/b", false), CrontabLine::Setting("PATH", "/a:/b"));
    let entry = |when, user, command| CrontabLine::Entry { when, user, command };
    let fields = CronTime::Fields("*/5 1-2 * JAN,MAR 0".to_owned());
    assert_eq!(
        line("*/5  1-2 *\tJAN,MAR 0   a=1  b ", false),
        entry(fields, None, "a=1  b")
    );
    assert_eq!(line("@Daily a", false), entry(CronTime::Named("0 0 * * *"), None, "a"));
    assert_eq!(
        line("@reboot root a b", true),
        entry(CronTime::Other("@reboot"), Some("root"), "a b")
    );
    for unknown in ["* * * *", "* * * * *", "nonsense", "@daily", "* * * * * root"] {
        let users = unknown.ends_with("root");
        assert_eq!(line(unknown, users), CrontabLine::Unknown, "{unknown}");
    }
}

#[test]
fn a_shell_is_used_where_one_is_needed() {
    let argv = |line: &str| matches!(run(line, None, None), CronCommand::Argv(_));
    assert!(argv("/usr/bin/rsync -a /srv/a host:/b"));
    assert!(argv("python3 -m app --at=2"));
    for shell in [
        "cd /x", "A=1 b", "bin/x", "a | b", "a > b", "a *.c", "a $B", "~/x", "a 'b'", "a; b", ". x", "a {b,c}",
    ] {
        let wanted = if shell == "a | b" {
            CronCommand::Pipefail
        } else {
            CronCommand::Shell
        };
        assert_eq!(run(shell, None, None), wanted(shell.to_owned()));
        let other = CronCommand::Other("/bin/bash".to_owned(), shell.to_owned());
        assert_eq!(run(shell, None, Some("/bin/bash")), other);
        assert_eq!(run(shell, None, Some("/bin/sh")), wanted(shell.to_owned()));
    }
}

#[test]
fn text_after_a_percent_sign_is_input() {
    assert_eq!(parts(r"date +\%F"), ("date +%F".to_owned(), None));
    assert_eq!(parts("mail x%a%%b"), ("mail x".to_owned(), Some("a\n\nb".to_owned())));
    assert_eq!(
        run("mail x", Some("it's\nb"), None),
        CronCommand::Shell("printf '%s\\n' 'it'\\''s' 'b' | { mail x\n}".to_owned())
    );
}

#[test]
fn names_come_from_what_is_run() {
    for (line, wanted) in [
        ("/usr/bin/rsync -a a b", "rsync"),
        ("cd /srv/app && ./bin/Report.sh --daily", "report"),
        ("nice -n 10 ionice -c3 /opt/backup_db.sh", "backup_db"),
        ("python3 -m pipeline", "pipeline"),
        ("/usr/bin/php /var/www/cron.php > /dev/null 2>&1", "cron"),
        ("A=1 timeout 10m flock -n /tmp/lock certbot renew", "certbot"),
        ("test -x /usr/sbin/anacron || run-parts /etc/cron.daily", "anacron"),
        ("bash", "bash"),
        ("'ü'", "job"),
        ("---", "job"),
        ("_x", "x"),
    ] {
        assert_eq!(name(line), wanted, "{line}");
    }
    assert!(name(&"a".repeat(200)).len() <= 56);
}

#[test]
fn a_crontab_becomes_an_ops_file() {
    let done = translated(include_str!("tests.crontab"));
    assert_eq!((done.targets, done.left), (8, 6), "{}", done.text);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("crontab", done.text);
    });
    for secret in ["hunter2", "swordfish"] {
        assert!(!done.text.contains(secret), "{}", done.text);
    }
}

#[test]
fn no_secret_of_a_crontab_gets_into_the_file() {
    let text = "DB_PASSWORD=hunter2hunter2\n\
        API_KEY='hunter2 x y'\n\
        0 1 * * * mysqldump -phunter2pass shop\n\
        1 1 * * * curl -u admin:hunter2pass https://a\n\
        2 1 * * * wget --header='Authorization: Basic hunter2pass=' https://a\n\
        3 1 * * * curl -H \"X-Api-Key: hunter2pass\" https://a\n\
        5 1 * * * openssl enc -pass pass:hunter2pass -in a\n\
        8 1 * * * sshpass -p hunter2pass ssh a\n\
        9 1 * * * export API_KEY='x hunter2pass'; run\n\
        10 1 * * * run --password \"x y hunter2pass\" z\n\
        11 1 * * * run --of hunter2hunter2\n\
        12 1 * * * run --of='hunter2 x y'\n\
        #13 1 * * * mysqldump -phunter2pass shop\n\
        # SECRET=hunter2pass\n\
        # curl -u admin:hunter2pass https://a\n\
        @reboot curl -u admin:hunter2pass https://a\n\
        curl -u admin:hunter2pass\n\
        14 1 * * * mysql%insert hunter2hunter2\n\
        COPY=hunter2hunter2\n\
        15 1 * * * true\n";
    let done = translated(text);
    assert!(!done.text.contains("hunter2"), "{}", done.text);
    assert_eq!(done.targets, 1);
    for minute in (0..15).filter(|minute| ![4, 6, 7].contains(minute)) {
        assert!(
            done.text.contains(&format!("{minute} 1 * * * …")),
            "{minute}\n{}",
            done.text
        );
    }
    assert!(
        done.text.contains("SECRET=… (left out: it may contain a secret"),
        "{}",
        done.text
    );
    assert!(done.text.contains("env \"COPY\" from-env=\"COPY\""), "{}", done.text);
}

#[test]
fn a_column_of_users_is_noticed() {
    let users = ["root".to_owned(), "backup".to_owned()];
    let names = |text: &str| names_users(text.as_bytes(), &users);
    assert!(names(
        "SHELL=/bin/sh\n# x\n17 * * * * root\tcd / && run\n0 1 * * * backup /opt/x\n"
    ));
    assert!(!names("17 * * * * root cd /\n0 1 * * * /opt/x y\n"));
    assert!(!names("0 1 * * * backup\n"));
    assert!(!names("0 1 * * * backup --all\n"));
    assert!(!names("# nothing\n"));
}

#[test]
fn the_column_of_users_becomes_a_setting() {
    let users = CrontabOrigin {
        users: true,
        ..setting()
    };
    let text = b"17 * * * * root cd / && run-parts /etc/cron.hourly\n0 4 * * * ops /opt/x\n";
    let done = crontab(text, &users);
    assert_eq!((done.targets, done.left), (2, 0));
    assert_eq!(done.text.matches("user ").count(), 1, "{}", done.text);
    assert!(done.text.contains("\n    user \"root\"\n"), "{}", done.text);
}

#[test]
fn pings_dumps_and_deletions_become_what_opsrun_has_for_them() {
    let done = translated(
        "30 2 * * * /usr/local/bin/nightly && curl -fsS https://hc-ping.com/0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d\n\
         * * * * * curl -fsS https://hc.example.com/ping/abcdefabcdef/alive\n\
         0 5 * * * tidy || curl -d failed https://ntfy.sh/abcdefabcdef\n\
         TZ=Europe/Paris\n\
         0 3 * * * pg_dump shop | gzip -9 > /backup/shop-$(date +\\%F).sql.gz\n\
         1 3 * * * mysqldump shop | zstd > /backup/shop.sql.zst\n\
         2 3 * * * ls /a | sort > /tmp/list\n\
         0 6 * * * find /var/log/app -name '*.gz' -mtime +14 -delete\n\
         PING=https://hc-ping.com/0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d\n\
         SHELL=/bin/bash\n\
         3 3 * * * ls /a | sort > /tmp/list\n\
         4 3 * * * if a; then curl https://hc-ping.com/abcdefabcdef; fi\n",
    );
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("crontab-tools", done.text);
    });
    for key in ["0b1c2d3e", "abcdefabcdef"] {
        assert!(!done.text.contains(key), "{}", done.text);
    }
    // What is commented out is valid as well.
    let loaded = crate::config::load_text(Path::new("ops.kdl"), done.text.replace("/-", "").into_bytes());
    assert_eq!(loaded.errors(), 0, "{}", loaded.render(false, 100));
}

#[test]
fn a_dump_into_a_directory_is_no_file() {
    let done = translated("0 3 * * * pg_dump shop > /b/..\n0 4 * * * pg_dump shop > /b/\n");
    assert!(!done.text.contains("stdout"), "{}", done.text);
}

#[test]
fn any_text_becomes_a_valid_file() {
    use proptest::prelude::*;
    let bits = prop::sample::select(vec![
        "* * * * * ",
        "0 0 ",
        "@daily ",
        "@reboot ",
        "a",
        "cd /x && ",
        "%",
        "\\%",
        "\\",
        "\"",
        "'",
        "A=",
        "CRON_TZ=",
        "\n",
        "\n",
        "# ",
        "*/5 ",
        "61 ",
        "~",
        "é",
        "\u{202e}",
        "\0",
        "\r",
        "\t",
        "/-",
        "*/",
        "//",
        "root ",
        "\u{85}",
        "SHELL=/bin/bash\n",
        "password=hunter2 ",
        "HOME=",
    ]);
    let texts = prop::collection::vec(bits, 0..40).prop_map(|bits| bits.concat());
    proptest!(ProptestConfig::with_cases(150), |(text in texts)| {
        translated(&text);
    });
}
