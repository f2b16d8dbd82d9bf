//! What a check knows about each of its probes.

use crate::config::language::spec::Spec;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::model::check::Probe;

#[derive(Clone, Copy)]
pub struct ProbeRow {
    pub spec: Spec,
    /// `None` when something in the node is wrong, and reported.
    pub decode: fn(&CheckedNode, &mut Decoder<'_>) -> Option<Probe>,
}
