//! `tcp`: whether a connection can be made, and how long it takes.

use super::probe::ProbeRow;
use super::thresholds::{LATENCY, latency};
use crate::config::language::spec::{Args, node};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::model::check::Probe;

pub const TCP: ProbeRow = ProbeRow {
    spec: node(
        "tcp",
        Args::One(Type::Address),
        "whether a connection can be made",
        "tcp \"db.example.com:5432\"",
    )
    .block(&[&[LATENCY]]),
    decode,
};

fn decode(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let latency = latency(node, decoder.findings);
    let address = node.args.first()?.value.address()?.clone();
    Some(Probe::Tcp { address, latency })
}
