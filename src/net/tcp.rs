//! A TCP connection to the first address of a host that answers.
//!
//! Takes host, port and a time limit, gives an open stream. Addresses are tried in the resolver's order; each gets
//! a short head start before the next is tried beside it, so that a dead first address costs little.
//! Invariant: the limit holds for resolving and connecting together.

use super::error::{Fault, NetError};
use super::resolve;
use super::stage::{Reached, Stage};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Before the next address is tried as well.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects.
pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, NetError> {
    let reached = Reached::new(Stage::Addresses);
    let connected = reached.within(limit, reach(host, port, &reached)).await;
    connected
        .and_then(|connected| connected)
        .map_err(|fault| NetError::at(&place(host, port), fault))
}

/// Host and port for people.
pub(super) fn place(host: &str, port: u16) -> String {
    let host = super::error::foreign(host);
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Resolves and connects.
pub(super) async fn reach(host: &str, port: u16, reached: &Reached) -> Result<TcpStream, Fault> {
    let addresses = resolve::addresses(host, port).await?;
    reached.set(Stage::Connection);
    first(addresses).await
}

async fn first(addresses: Vec<SocketAddr>) -> Result<TcpStream, Fault> {
    let mut left = addresses.into_iter();
    let mut tried = FuturesUnordered::new();
    let mut worst: Option<Fault> = None;
    loop {
        if let Some(address) = left.next() {
            tried.push(TcpStream::connect(address));
        } else if tried.is_empty() {
            return Err(worst.unwrap_or_else(|| Fault::NoAddress("it has no address".to_owned())));
        }
        let more = left.len() > 0;
        tokio::select! {
            Some(result) = tried.next() => match result {
                Ok(stream) => return Ok(stream),
                // Of a host that one address cannot be reached and another refuses, the refusal tells more.
                Err(error) => {
                    if worst.as_ref().is_none_or(|fault| matches!(fault, Fault::Unreachable(_))) {
                        worst = Some(Fault::from_io(&error));
                    }
                }
            },
            () = tokio::time::sleep(HEAD_START), if more => {}
        }
    }
}
