//! The stages of a call on the network, in order.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Files with certificates.
    Roots,
    Addresses,
    Connection,
    Handshake,
    Answer,
    Body,
}
