//! `file-age`: how long ago a file was written.

use super::probe::ProbeRow;
use super::thresholds::{MAX_TIMES, ONE_THRESHOLD, WorseWhen, times};
use crate::config::language::spec::{Args, node};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::model::check::Probe;

pub const FILE_AGE: ProbeRow = ProbeRow {
    spec: node(
        "file-age",
        Args::One(Type::File),
        "how long ago the file was written; a missing file is critical",
        "file-age \"run/heartbeat\" warn=\"60s\" critical=\"90s\"",
    )
    .with(MAX_TIMES)
    .rule(ONE_THRESHOLD),
    decode,
};

fn decode(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let age = times(node, WorseWhen::Larger, FILE_AGE.spec.example, decoder.findings);
    let path = decoder.path(node.args.first()?)?.value;
    Some(Probe::FileAge { path, age })
}
