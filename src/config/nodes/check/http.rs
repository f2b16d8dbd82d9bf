//! `http`: what a web server answers to GET.

use super::probe::ProbeRow;
use super::thresholds::{LATENCY, latency};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, node, required_prop};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::text_or_secret::{CA_FILE, FROM_COMMAND, HEADER, SOURCES, headers, value};
use crate::config::source::Span;
use crate::config::values::Datum;
use crate::model::check::{HttpProbe, Probe};
use std::collections::HashMap;

pub const HTTP: ProbeRow = ProbeRow {
    spec: node(
        "http",
        Args::Maybe(Type::Url),
        "what a web server answers to GET",
        "http \"https://example.com/health\" { status 200; }",
    )
    .with(SOURCES)
    .block(&[
        &[
            node(
                "status",
                Args::Many(Type::Integer(100, 599)),
                "the accepted status codes",
                "status 200 204",
            )
            .otherwise("200 to 299"),
            LATENCY,
            HEADER,
            node(
                "json",
                Args::One(Type::Pointer),
                "a value that the JSON body must hold at this path",
                "json \"/status\" eq=\"UP\"",
            )
            .with(&[required_prop("eq", Type::Scalar, "the expected value").example("\"UP\"")])
            .rule("each path once")
            .repeats(),
            CA_FILE,
        ],
        FROM_COMMAND,
    ])
    .rule("a URL, or one source of a secret URL"),
    decode,
};

fn decode(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
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

fn json(node: &CheckedNode, findings: &mut Vec<Finding>) -> Vec<(String, serde_json::Value)> {
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut all = Vec::new();
    for child in node.children_named("json") {
        let Some(pointer) = child.text() else {
            continue;
        };
        if let Some(first) = seen.get(&pointer.value) {
            findings.push(
                Finding::new(
                    Code::Repeated,
                    pointer.span,
                    format!("`json \"{}\"` is given twice", excerpt(&pointer.value)),
                    "again here",
                )
                .also(*first, "first here")
                .help("delete one of them: one path holds one value"),
            );
            continue;
        }
        if let Some(Datum::Scalar(expected)) = child.prop("eq").map(|value| &value.value) {
            all.push((pointer.value.clone(), expected.clone()));
        }
        seen.insert(pointer.value, pointer.span);
    }
    all
}
