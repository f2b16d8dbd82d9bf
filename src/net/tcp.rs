//! A TCP connection to the first address of a host that answers.
//!
//! Takes host, port and a time limit, gives an open stream. Addresses are tried in the resolver's order; each gets
//! a short head start before the next is tried beside it, so that a dead first address costs little.
//! Invariant: the limit holds for resolving and connecting together.

use super::error::{Fault, NetError, Stage};
use super::resolve;
use super::stage_tracker::StageTracker;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Before the next address is tried as well.
const HEAD_START: Duration = Duration::from_millis(250);

pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, NetError> {
    let stage = StageTracker::new(Stage::Addresses);
    let connected = stage.within(limit, reach(host, port, &stage)).await;
    connected
        .flatten()
        .map_err(|fault| NetError::at(&place(host, port), fault))
}

pub(super) fn place(host: &str, port: u16) -> String {
    let host = super::error::foreign(host);
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(super) async fn reach(host: &str, port: u16, stage: &StageTracker) -> Result<TcpStream, Fault> {
    let addresses = resolve::addresses(host, port).await?;
    stage.set(Stage::Connection);
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
                // If one address is unreachable and another refuses, the refusal is more useful.
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    async fn open() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    async fn closed() -> SocketAddr {
        open().await.local_addr().unwrap()
    }

    #[test]
    fn the_first_address_that_answers_is_taken() {
        block_on(async {
            let listener = open().await;
            let alive = listener.local_addr().unwrap();
            let stream = first(vec![closed().await, alive]).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), alive);
            assert!(matches!(
                first(vec![closed().await, closed().await]).await,
                Err(Fault::Refused)
            ));
            assert!(matches!(first(Vec::new()).await, Err(Fault::NoAddress(_))));
        });
    }

    #[test]
    fn an_address_that_says_nothing_is_not_waited_for() {
        block_on(async {
            // Its queue is full: connecting takes until the limit of the system.
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let silent = socket.listen(0).unwrap();
            let address = silent.local_addr().unwrap();
            let mut waiting = Vec::new();
            while let Ok(connected) = tokio::time::timeout(HEAD_START, TcpStream::connect(address)).await {
                waiting.push(connected.unwrap());
                assert!(waiting.len() < 64, "the queue does not fill");
            }
            let listener = open().await;
            let alive = listener.local_addr().unwrap();
            let stream = tokio::time::timeout(Duration::from_secs(20), first(vec![address, alive]));
            assert_eq!(stream.await.unwrap().unwrap().peer_addr().unwrap(), alive);
        });
    }

    #[test]
    fn places_are_shown_as_they_are_written() {
        assert_eq!(place("db.example", 5432), "db.example:5432");
        assert_eq!(place("::1", 80), "[::1]:80");
        assert_eq!(place("a\nb", 80), "a\\nb:80");
    }
}
