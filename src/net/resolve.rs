//! From names to addresses.
//!
//! Takes a host and a port, gives addresses in the order of the system's resolver. The resolver blocks for as long
//! as it likes: it runs in its own thread, and the caller can stop waiting.
//! Invariant: at least one address, or a fault.

use super::error::{Fault, io_words};
use crate::blocking;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

const MAX_ADDRESSES: usize = 32;

pub(super) async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let asked = host.to_owned();
    let found = blocking::call(host, move || {
        let found = (asked.as_str(), port).to_socket_addrs()?;
        Ok(found.take(MAX_ADDRESSES).collect::<Vec<_>>())
    });
    let found = match found.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(Fault::NoAddress(io_words(&error))),
        Err(error) => return Err(Fault::Machine(error.to_string())),
    };
    if found.is_empty() {
        return Err(Fault::NoAddress("it has no address".to_owned()));
    }
    Ok(found)
}
