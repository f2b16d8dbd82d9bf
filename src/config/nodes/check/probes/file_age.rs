//! How long ago a file was written.

use crate::config::language::spec::{Args, node};
use crate::config::language::types::Type;
use crate::config::nodes::check::thresholds::{MAX_TIMES, ONE_THRESHOLD, WorseWhen, times};
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::model::check::Probe;

pub const FILE_AGE: KindRow<Probe> = KindRow {
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
