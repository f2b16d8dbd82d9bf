//! A server that handles every connection as the test wants, each in its own thread.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A connection, with TLS or without.
pub trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// A server and what its handlers recorded: a request, or how many bytes could be written.
pub struct Stub {
    pub address: SocketAddr,
    pub received: Receiver<String>,
}

/// Serves every connection.
pub fn serve(answer: impl Fn(TcpStream, &Sender<String>) + Send + Sync + 'static) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (record, received) = channel();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (answer, record) = (Arc::clone(&answer), record.clone());
            std::thread::spawn(move || answer(stream, &record));
        }
    });
    Stub { address, received }
}

/// Reads every request, records it, and lets the test answer.
pub fn http(answer: impl Fn(&str, &mut dyn Wire, &Sender<String>) + Send + Sync + 'static) -> Stub {
    serve(move |mut stream, record| {
        if let Some(request) = request(&mut stream) {
            let _ = record.send(request.clone());
            answer(&request, &mut stream, record);
        }
    })
}

/// Answers every request with this text.
pub fn answers(answer: impl Into<String>) -> Stub {
    let answer = answer.into();
    http(move |_, wire, _| {
        let _ = wire.write_all(answer.as_bytes());
    })
}

/// Answers every request with this text, then sends nothing more.
pub fn stalls_after(answer: &'static str) -> Stub {
    http(move |_, wire, _| {
        let _ = wire.write_all(answer.as_bytes());
        stall(wire);
    })
}

/// A request, with its body if it has a length; `None` when the client closes the connection early.
pub fn request(wire: &mut dyn Wire) -> Option<String> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if wire.read(&mut byte).ok()? == 0 {
            return None;
        }
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    wire.read_exact(&mut body).ok()?;
    request.extend(body);
    Some(String::from_utf8_lossy(&request).into_owned())
}

/// Sends nothing until the client closes the connection.
pub fn stall(wire: &mut dyn Wire) {
    let mut rest = [0; 1024];
    while matches!(wire.read(&mut rest), Ok(n) if n > 0) {}
}

/// Writes `piece` again and again, up to `most` bytes or until the client closes; returns how many were written.
pub fn pour(wire: &mut dyn Wire, piece: &[u8], most: usize) -> usize {
    let mut written = 0;
    while written < most && wire.write_all(piece).is_ok() {
        written += piece.len();
    }
    written
}

/// An answer with this status line, headers and body.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
