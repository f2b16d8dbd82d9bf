//! `tls-expiry`: how long the certificate of a TLS server is still valid.

use super::probe::ProbeRow;
use super::thresholds::{ONE_THRESHOLD, WorseWhen, times};
use crate::config::language::spec::{Args, node, prop};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::text_or_secret::CA_FILE;
use crate::model::check::Probe;

pub const TLS_EXPIRY: ProbeRow = ProbeRow {
    spec: node(
        "tls-expiry",
        Args::One(Type::Address),
        "how long the certificate of a TLS server is still valid; an untrusted certificate is critical",
        "tls-expiry \"example.com:443\" warn=\"21d\" critical=\"7d\"",
    )
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
    decode,
};

fn decode(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let left = times(node, WorseWhen::Smaller, TLS_EXPIRY.spec.example, decoder.findings);
    Some(Probe::TlsExpiry {
        address: node.args.first()?.value.address()?.clone(),
        left,
        ca_file: decoder.file_of(node, "ca-file"),
    })
}
