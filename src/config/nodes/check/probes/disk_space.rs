//! How much is free on a file system.

use crate::config::language::spec::{Args, node, prop};
use crate::config::language::types::Type;
use crate::config::nodes::check::thresholds::spaces;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::model::check::Probe;

pub const DISK_SPACE: KindRow<Probe> = KindRow {
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
