//! What a web server answers to GET.
//!
//! Reports a `json` path that is given twice.

use crate::config::findings::{Finding, excerpt};
use crate::config::language::spec::{Args, node, required_prop};
use crate::config::language::types::Type;
use crate::config::nodes::check::thresholds::{LATENCY, latency};
use crate::config::nodes::checked_node::{CheckedNode, EachOnce};
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::config::nodes::text_or_secret::{CA_FILE, FROM_COMMAND, HEADER, SOURCES, headers, value};
use crate::config::values::Datum;
use crate::model::check::{BodyValue, HttpProbe, Probe};

pub const HTTP: KindRow<Probe> = KindRow {
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
