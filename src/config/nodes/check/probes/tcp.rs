//! Whether a connection can be made.

use crate::config::language::spec::{Args, node};
use crate::config::language::types::Type;
use crate::config::nodes::check::thresholds::{LATENCY, latency};
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::model::check::Probe;

pub const TCP: KindRow<Probe> = KindRow {
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
