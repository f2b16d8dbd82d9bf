//! The network: connections, TLS handshakes and HTTP requests that end in time and take bounded memory.
//!
//! Takes hosts, URLs and a time limit; gives streams, certificates and answers, or a [`NetError`] that says in plain
//! words what happened. Knows nothing of checks and channels.
//! - [`tcp`]: a connection to the first address that answers
//! - [`tls`]: what a server shows in the handshake, trusted or not
//! - [`http`]: one GET, redirects followed with care; one POST
//! - [`smtp`]: one message to a mail server
//!
//! Nothing goes through a proxy: what the environment says of proxies is for programs that a person starts, and a
//! question about the health of a host must be answered by that host.
//! Invariant: every call ends within the time it was given, and no error repeats more of a URL than host and port.

#[cfg(feature = "tls")]
pub mod certificate;
pub mod error;
#[cfg(feature = "http")]
mod exchange;
#[cfg(feature = "http")]
pub mod http;
pub mod posted;
mod resolve;
#[cfg(feature = "http")]
pub mod retry_after;
#[cfg(feature = "tls")]
mod roots;
#[cfg(feature = "email")]
pub mod smtp;
mod stage_tracker;
pub mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "tls")]
mod trust;
#[cfg(feature = "http")]
mod watched;

pub use error::{Fault, NetError};

/// How the way to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// In clear first, then TLS; nothing is sent without it.
    StartTls,
    /// TLS from the beginning.
    Tls,
    None,
}
