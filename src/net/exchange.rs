//! One HTTP request over a connection of its own, and its answer.
//!
//! Takes a URL, headers and a body; gives the head of the answer, and its body in pieces. Every stage is set as it is
//! reached, so that a failure names it. Follows nothing and keeps no connection.
//! Invariant: what is not https is never encrypted, and no error about it speaks of TLS.

use super::error::{AnswerProgress, ConnectionEnd, Fault, LocalError, NetError, Stage, foreign};
use super::stage_tracker::StageTracker;
use super::trust::{self, RecordingVerifier};
use super::watched::WatchedStream;
use super::{tcp, tls};
use crate::units::percent_decoded;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use url::{Position, Url};

const AGENT: &str = concat!("opsrun/", env!("CARGO_PKG_VERSION"));

/// What https needs, read once for a call and its redirects.
pub(super) struct Exchange<'a> {
    ca_file: Option<&'a Path>,
    trust: Option<(Arc<ClientConfig>, Arc<RecordingVerifier>)>,
    stage: &'a StageTracker,
}

/// The head of an answer; its body is read by [`HttpReply::body`].
pub(super) struct HttpReply {
    response: Response<Incoming>,
    stage: StageTracker,
    /// Ends with this.
    _driver: Driver,
}

/// Moves the bytes of a connection, until it is dropped.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<'a> Exchange<'a> {
    /// Reads a `ca_file` at once, so that a wrong one is reported whatever the URL is.
    pub(super) async fn new(ca_file: Option<&'a Path>, stage: &'a StageTracker) -> Result<Self, NetError> {
        let mut exchange = Self {
            ca_file,
            trust: None,
            stage,
        };
        if ca_file.is_some() {
            exchange.trust().await?;
        }
        Ok(exchange)
    }

    async fn trust(&mut self) -> Result<(Arc<ClientConfig>, Arc<RecordingVerifier>), NetError> {
        if let Some(trust) = &self.trust {
            return Ok(trust.clone());
        }
        let (config, verifier) = trust::configure(self.ca_file, true).await?;
        Ok(self.trust.insert((Arc::new(config), verifier)).clone())
    }

    /// Sends a request; `place` is where, for people.
    pub(super) async fn ask(
        &mut self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
        place: &str,
    ) -> Result<HttpReply, NetError> {
        let at = |fault| NetError::at(place, fault);
        let request = request(method, url, headers, body)?;
        let trust = match url.scheme() {
            "https" => Some(self.trust().await?),
            _ => None,
        };
        let host = host(url);
        self.stage.set(Stage::Addresses);
        let stream = tcp::reach(host, url.port_or_known_default().unwrap_or_default(), self.stage).await;
        let stream = stream.map_err(at)?;
        let Some((config, verifier)) = trust else {
            return self.over(stream, request).await.map_err(at);
        };
        self.stage.set(Stage::Handshake);
        let stream = tls::shake(&config, &verifier, host, stream).await?.map_err(at)?;
        self.over(stream, request).await.map_err(at)
    }

    async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
    ) -> Result<HttpReply, Fault> {
        let stream = WatchedStream::over(stream, self.stage);
        let fault = |error: hyper::Error| fault(&error, progress(self.stage.get()));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(fault)?;
        // Its failure is the failure of the request.
        let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
        let response = sender.send_request(request).await.map_err(fault)?;
        self.stage.set(Stage::Body);
        Ok(HttpReply {
            response,
            stage: self.stage.clone(),
            _driver: driver,
        })
    }
}

impl HttpReply {
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The body up to `most` bytes, and whether that is all.
    pub(super) async fn body(self, most: usize) -> Result<(Vec<u8>, bool), Fault> {
        self.stage.set(Stage::Body);
        let mut incoming = self.response.into_body();
        let expected = incoming.size_hint().exact();
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let received = body.len() as u64;
            let frame = frame.map_err(|error| fault(&error, AnswerProgress::Body { received, expected }))?;
            let Ok(piece) = frame.into_data() else { continue };
            let room = most - body.len();
            if piece.len() > room {
                body.extend(piece.iter().take(room));
                return Ok((body, false));
            }
            body.extend_from_slice(&piece);
        }
        Ok((body, true))
    }
}

/// Without the brackets of an IPv6 address.
pub(super) fn host(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Given headers replace those that every request has.
fn request(method: Method, url: &Url, given: &HeaderMap, body: Bytes) -> Result<Request<Full<Bytes>>, LocalError> {
    let not_valid = || LocalError::Url("it cannot be asked for over HTTP".to_owned());
    let asked = url[Position::BeforePath..Position::AfterQuery].to_owned();
    let mut request = Request::builder().method(method).uri(asked);
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let place = &url[Position::BeforeHost..Position::AfterPort];
    headers.insert(HOST, HeaderValue::from_str(place).map_err(|_| not_valid())?);
    if !url.username().is_empty() || url.password().is_some() {
        let login = [
            percent_decoded(url.username()),
            percent_decoded(url.password().unwrap_or_default()),
        ]
        .join(&b':');
        let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(login)));
        headers.insert(AUTHORIZATION, sensitive(value.map_err(|_| not_valid())?));
    }
    for name in given.keys() {
        headers.remove(name);
    }
    headers.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    if let Some(all) = request.headers_mut() {
        *all = headers;
    }
    request.body(Full::new(body)).map_err(|_| not_valid())
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// A header whose value may be secret.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "name")?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| "value")?;
    Ok((name, sensitive(value)))
}

fn progress(stage: Stage) -> AnswerProgress {
    match stage {
        Stage::Answer => AnswerProgress::Sent,
        Stage::Headers | Stage::Body => AnswerProgress::Headers,
        Stage::Roots | Stage::Addresses | Stage::Connection | Stage::Handshake | Stage::Sending => {
            AnswerProgress::Sending
        }
    }
}

/// What an error on an open connection means.
fn fault(error: &hyper::Error, progress: AnswerProgress) -> Fault {
    let cut = |how| Fault::Cut { how, progress };
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return tls::fault_after_handshake(error)
                .or_else(|| ConnectionEnd::of(error.kind()).map(cut))
                .unwrap_or_else(|| Fault::from_io(error));
        }
        next = error.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return cut(ConnectionEnd::Closed);
    }
    Fault::Answer(innermost(error))
}

fn innermost(error: &hyper::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    foreign(&error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_what_every_request_has() {
        let url = Url::parse("http://me:p%40ss@[::1]:8080/a%20b?x=%C3%BC#f").unwrap();
        let given = HeaderMap::from_iter([header("user-agent", "mine").unwrap()]);
        let request = request(Method::GET, &url, &given, Bytes::new()).unwrap();
        assert_eq!(request.uri(), "/a%20b?x=%C3%BC");
        let value = |name: HeaderName| request.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(value(HOST), "[::1]:8080");
        assert_eq!(value(USER_AGENT), "mine");
        assert_eq!(value(AUTHORIZATION), format!("Basic {}", STANDARD.encode("me:p@ss")));
        assert_eq!(host(&url), "::1");
    }
}
