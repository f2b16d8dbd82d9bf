//! The probes: for each its row and its decoding; [`PROBES`] is the only list of them.
//!
//! Reports a probe without a threshold, a `json` path given twice, and a `job` that checks nothing.

use super::thresholds::{LATENCY, MAX_TIMES, ONE_THRESHOLD, WorseWhen, latency, spaces, times, times_of};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, node, prop, required_prop};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::{CheckedNode, EachOnce};
use crate::config::nodes::command::{ENVIRONMENT, PIPEFAIL, command};
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::config::nodes::text_or_secret::{CA_FILE, FROM_COMMAND, HEADER, SOURCES, headers, value};
use crate::config::values::Datum;
use crate::model::check::{BodyValue, HttpProbe, Probe};

/// Every probe; a check has exactly one.
pub const PROBES: [KindRow<Probe>; 8] = [FILE_AGE, DISK_SPACE, TCP, HTTP, TLS_EXPIRY, COMMAND, SHELL, JOB];

const FILE_AGE: KindRow<Probe> = KindRow {
    spec: node("file-age", Args::One(Type::File))
        .doc("how long ago the file was written; a missing file is critical")
        .example("file-age \"run/heartbeat\" warn=\"60s\" critical=\"90s\"")
        .with(MAX_TIMES)
        .rule(ONE_THRESHOLD),
    decode: file_age,
};

fn file_age(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let age = times(node, WorseWhen::Larger, FILE_AGE.spec.example, decoder.findings);
    let path = decoder.path(node.args.first()?)?.value;
    Some(Probe::FileAge { path, age })
}

const DISK_SPACE: KindRow<Probe> = KindRow {
    spec: node("disk-space", Args::One(Type::Path))
        .doc("how much is free on the file system of this path: bytes and inodes; with percentages the scarcer decides")
        .example("disk-space \"/srv\" warn=\"25%\" critical=\"15%\"")
        .with(&[
            prop("warn", Type::Space, "a warning below this").otherwise("never"),
            prop("critical", Type::Space, "critical below this").otherwise("never"),
        ])
        .rule("`warn=`, `critical=` or both; both percentages or both sizes"),
    decode: disk_space,
};

fn disk_space(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let free = spaces(node, DISK_SPACE.spec.example, decoder.findings);
    let path = decoder.path(node.args.first()?)?.value;
    Some(Probe::DiskSpace { path, free })
}

const TCP: KindRow<Probe> = KindRow {
    spec: node("tcp", Args::One(Type::Address))
        .doc("whether a connection can be made")
        .example("tcp \"db.example.com:5432\"")
        .block(&[&[LATENCY]]),
    decode: tcp,
};

fn tcp(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let latency = latency(node, decoder.findings);
    let address = node.args.first()?.value.address()?.clone();
    Some(Probe::Tcp { address, latency })
}

const HTTP: KindRow<Probe> = KindRow {
    spec: node("http", Args::Maybe(Type::Url))
        .doc("what a web server answers to GET")
        .example("http \"https://example.com/health\" { status 200; }")
        .with(SOURCES)
        .block(&[
            &[
                node("status", Args::Many(Type::Integer(100, 599)))
                    .doc("the accepted status codes")
                    .example("status 200 204")
                    .otherwise("200 to 299"),
                LATENCY,
                HEADER,
                node("json", Args::One(Type::Pointer))
                    .doc("a value that the JSON body must contain at this path")
                    .example("json \"/status\" eq=\"UP\"")
                    .with(&[required_prop("eq", Type::Scalar, "the expected value").example("\"UP\"")])
                    .rule("each path once")
                    .repeats(),
                CA_FILE,
            ],
            FROM_COMMAND,
        ])
        .rule("a URL, or one source of a secret URL"),
    decode: http,
};

fn http(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let url = value(node, "CHECK_URL", 0, decoder);
    let headers = headers(node, decoder);
    let latency = latency(node, decoder.findings);
    let status = node.child("status").into_iter().flat_map(|node| &node.args);
    let status = status.filter_map(|code| u16::try_from(code.value.number()?).ok());
    Some(Probe::Http(Box::new(HttpProbe {
        status: status.collect(),
        latency,
        json: json(node, decoder.findings),
        ca_file: decoder.file_of(node, "ca-file"),
        headers,
        url: url?,
    })))
}

fn json(node: &CheckedNode, findings: &mut Vec<Finding>) -> Vec<BodyValue> {
    let mut once = EachOnce::default();
    let mut all = Vec::new();
    for child in node.children_named("json") {
        let Some(pointer) = child.text() else { continue };
        let shown = || format!("`json \"{}\"`", excerpt(&pointer.value));
        if let Some(finding) = once.again(pointer.value.clone(), pointer.span, shown) {
            findings.push(finding.help("delete one of them: one path has one value"));
        } else if let Some(Datum::Scalar(expected)) = child.prop("eq").map(|value| &value.value) {
            all.push(BodyValue {
                pointer: pointer.value,
                value: expected.clone(),
            });
        }
    }
    all
}

const TLS_EXPIRY: KindRow<Probe> = KindRow {
    spec: node("tls-expiry", Args::One(Type::Address))
        .doc("how long the certificate of a TLS server is still valid; an untrusted certificate is critical")
        .example("tls-expiry \"example.com:443\" warn=\"21d\" critical=\"7d\"")
        .with(&[
            prop("warn", Type::Duration, "a warning when less time is left")
                .otherwise("never")
                .example("\"21d\""),
            prop("critical", Type::Duration, "critical when less time is left")
                .otherwise("never")
                .example("\"7d\""),
        ])
        .rule(ONE_THRESHOLD)
        .block(&[&[CA_FILE]]),
    decode: tls_expiry,
};

fn tls_expiry(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let left = times(node, WorseWhen::Smaller, TLS_EXPIRY.spec.example, decoder.findings);
    Some(Probe::TlsExpiry {
        address: node.args.first()?.value.address()?.clone(),
        left,
        ca_file: decoder.file_of(node, "ca-file"),
    })
}

const COMMAND: KindRow<Probe> = KindRow {
    spec: node("command", Args::Then(Type::Program, Type::Argument))
        .doc("the exit code of a command: 0 is ok, 1 a warning, 2 critical, any other unknown")
        .example("command \"bin/queue-depth\" \"--max\" \"1000\"")
        .block(&[ENVIRONMENT]),
    decode: run,
};

const SHELL: KindRow<Probe> = KindRow {
    spec: node("shell", Args::One(Type::Argument))
        .doc("the same for a command line for /bin/sh")
        .example("shell \"test -s run/state\"")
        .with(PIPEFAIL)
        .block(&[ENVIRONMENT]),
    decode: run,
};

fn run(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let command = command(node, node, decoder)?;
    Some(Probe::Command { command })
}

const JOB: KindRow<Probe> = KindRow {
    spec: node("job", Args::One(Type::Job))
        .doc("how fresh and how slow another job is, by the history")
        .example("job \"backup:data\" { age critical=\"26h\"; }")
        .rule("`age`, `duration` or both")
        .block(&[&[
            node("age", Args::None)
                .doc("how long ago its last success was")
                .example("age warn=\"25h\" critical=\"26h\"")
                .with(MAX_TIMES)
                .rule(ONE_THRESHOLD),
            node("duration", Args::None)
                .doc("how long its last finished run took")
                .example("duration warn=\"2h\"")
                .with(MAX_TIMES)
                .rule(ONE_THRESHOLD),
        ]]),
    decode: job,
};

fn job(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let age = times_of(node, "age", "age warn=\"25h\" critical=\"26h\"", decoder.findings);
    let duration = times_of(node, "duration", "duration warn=\"2h\"", decoder.findings);
    let job = node.text()?;
    if node.child("age").is_none() && node.child("duration").is_none() && !node.damaged && !node.lost {
        decoder.report(
            Finding::new(
                Code::Missing,
                node.head,
                "`job` checks nothing",
                "needs `age`, `duration` or both",
            )
            .help(format!(
                "for example `job \"{}\" {{ age critical=\"26h\"; }}`",
                excerpt(&job.value)
            )),
        );
    }
    let name = job.value.parse();
    decoder.asked_job = Some(job);
    Some(Probe::Job {
        job: name.ok()?,
        age,
        duration,
    })
}
