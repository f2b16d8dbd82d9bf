//! One GET over HTTP, redirects followed with care; one POST, which follows none.
//!
//! Takes a URL and headers that may be secret, an extra CA file and limits; gives status, body and the time it took.
//! Redirects are followed here and not by the client library, because headers that were meant for one server must
//! not reach another, whatever they are called. A POST takes a redirect for its answer: method and body would not always
//! survive one, and the user can write the URL that it leads to.
//! Invariant: in time, never from https to http, never more of the body than the limit, never the URL in an error.

use super::error::{Fault, LocalError, NetError, Stage};
use super::exchange::{self, Exchange, HttpReply};
use super::posted::Posted;
use super::stage_tracker::StageTracker;
use super::{retry_after, tcp};
use crate::clock::{self, Stopwatch};
use crate::path::Shown;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use std::path::Path;
use std::time::Duration;
use url::Url;

const MAX_REDIRECTS: usize = 5;

#[derive(Debug, Clone, Copy)]
pub struct HttpCall<'a> {
    /// `http://` or `https://`.
    pub url: &'a SecretString,
    /// Not even its host may be named.
    pub secret: bool,
    pub headers: &'a [(String, SecretString)],
    /// Trusted besides the system's own: a PEM file.
    pub ca_file: Option<&'a Path>,
    /// More of the answer's body is not read.
    pub max_body: usize,
    /// For everything.
    pub limit: Duration,
}

#[derive(Debug, Clone)]
pub struct HttpAnswer {
    pub status: u16,
    pub body: Vec<u8>,
    /// There was no more of it.
    pub whole: bool,
    /// From the first request until the body was read.
    pub took: Duration,
    /// A redirect led to another server, which was not given the headers.
    pub withheld: bool,
}

impl HttpCall<'_> {
    fn parsed(&self) -> Result<(Url, HeaderMap), LocalError> {
        let url = Url::parse(self.url.expose_secret()).map_err(|error| LocalError::Url(error.to_string()))?;
        if !is_http(&url) {
            return Err(LocalError::Url("it is not http or https".to_owned()));
        }
        Ok((url, headers(self.headers)?))
    }
}

/// Redirects with a status among `wanted` are answers, and not followed.
pub async fn get(get: HttpCall<'_>, wanted: &[u16]) -> Result<HttpAnswer, NetError> {
    let (url, headers) = get.parsed()?;
    let stage = StageTracker::new(Stage::Roots);
    let mut place = place(&url, get.secret, 0);
    let asked = Box::pin(ask(get, wanted, url, headers, &stage, &mut place));
    let asked = stage.within(get.limit, asked).await;
    asked.unwrap_or_else(|fault| Err(NetError::at(&place, fault)))
}

async fn ask(
    get: HttpCall<'_>,
    wanted: &[u16],
    mut url: Url,
    mut headers: HeaderMap,
    stage: &StageTracker,
    place: &mut String,
) -> Result<HttpAnswer, NetError> {
    let mut exchange = Exchange::new(get.ca_file, stage).await?;
    let asked = Stopwatch::set();
    let mut withheld = false;
    for redirects in 0..=MAX_REDIRECTS {
        *place = self::place(&url, get.secret, redirects);
        let at = |fault| NetError::at(place, fault);
        let reply = exchange.ask(Method::GET, &url, &headers, Bytes::new(), place).await?;
        let status = reply.status();
        let next = location(&reply).filter(|_| !wanted.contains(&status));
        let Some(next) = next else {
            let (body, whole) = reply.body(get.max_body).await.map_err(at)?;
            return Ok(HttpAnswer {
                status,
                body,
                whole,
                took: asked.elapsed(),
                withheld,
            });
        };
        let next = url.join(&next).ok().filter(is_http).ok_or_else(|| at(Fault::Astray))?;
        if url.scheme() == "https" && next.scheme() == "http" {
            return Err(at(Fault::Downgrade));
        }
        if next.origin() != url.origin() && !headers.is_empty() {
            headers.clear();
            withheld = true;
        }
        url = next;
    }
    Err(NetError::at(place, Fault::Redirects(MAX_REDIRECTS)))
}

/// Sends `body` as it is.
pub async fn post(post: HttpCall<'_>, body: &[u8]) -> Result<Posted, NetError> {
    let (url, headers) = post.parsed()?;
    let stage = StageTracker::new(Stage::Roots);
    let place = place(&url, post.secret, 0);
    let began = Stopwatch::set();
    let sent = async {
        let mut exchange = Exchange::new(post.ca_file, &stage).await?;
        let body = Bytes::copy_from_slice(body);
        exchange.ask(Method::POST, &url, &headers, body, &place).await
    };
    let sent = stage.within(post.limit, Box::pin(sent)).await;
    let reply = sent.unwrap_or_else(|fault| Err(NetError::at(&place, fault)))?;
    let status = reply.status();
    let text = |name: HeaderName| reply.headers().get(name)?.to_str().ok();
    let retry_after = text(RETRY_AFTER).and_then(|wait| retry_after::read(wait, text(DATE), clock::now()));
    // The server has done what it was asked for: what goes wrong behind the head of its answer does not undo that.
    let left = post.limit.saturating_sub(began.elapsed());
    let rest = tokio::time::timeout(left, reply.body(post.max_body)).await;
    Ok(Posted {
        status,
        body: rest.ok().and_then(Result::ok).map_or_else(Vec::new, |(body, _)| body),
        retry_after,
    })
}

fn headers(given: &[(String, SecretString)]) -> Result<HeaderMap, LocalError> {
    let header = |(name, value): &(String, SecretString)| {
        exchange::header(name, value.expose_secret()).map_err(|part| LocalError::Header {
            name: Shown(name.as_bytes()).to_string(),
            part,
        })
    };
    let mut headers = HeaderMap::new();
    for (name, value) in given.iter().map(header).collect::<Result<Vec<_>, _>>()? {
        headers.append(name, value);
    }
    Ok(headers)
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// Where a redirect leads to; `None` for what is none.
fn location(reply: &HttpReply) -> Option<String> {
    let redirects = matches!(reply.status(), 301 | 302 | 303 | 307 | 308);
    let to = reply.headers().get(LOCATION).filter(|_| redirects)?;
    Some(String::from_utf8_lossy(to.as_bytes()).into_owned())
}

/// Host and port for people, or words for them.
fn place(url: &Url, secret: bool, redirects: usize) -> String {
    match (secret, redirects) {
        (true, 0) => "the server".to_owned(),
        (true, _) => "the server that it redirects to".to_owned(),
        (false, _) => tcp::place(exchange::host(url), url.port_or_known_default().unwrap_or_default()),
    }
}
