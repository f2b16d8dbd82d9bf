//! One GET over HTTP, redirects followed with care; one POST, which follows none.
//!
//! Takes a URL and headers that may be secret, an extra CA file and limits; gives status, body and the time it took.
//! Redirects are followed here and not by the client library, because headers that were meant for one server must
//! not reach another, whatever they are called. A POST takes a redirect for its answer: method and body would not always
//! survive one, and the user can write the URL that it leads to.
//! Invariant: in time, never from https to http, never more of the body than the limit, never the URL in an error.

use super::error::{Fault, LocalError, NetError, Stage, foreign};
use super::posted::Posted;
use super::stage_tracker::StageTracker;
use super::trust::{self, RecordingVerifier};
use super::{resolve, retry_after, tcp, tls};
use crate::clock::{self, Stopwatch};
use crate::path::Shown;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const MAX_REDIRECTS: usize = 5;

const USER_AGENT: &str = concat!("opsrun/", env!("CARGO_PKG_VERSION"));

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
    let asked = ask(get, wanted, url, headers, &stage, &mut place);
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
    let (client, verifier) = client(get.ca_file, stage).await?;
    let asked = Stopwatch::set();
    let mut withheld = false;
    for redirects in 0..=MAX_REDIRECTS {
        *place = self::place(&url, get.secret, redirects);
        let at = |fault| NetError::at(place, fault);
        stage.set(first_stage(&url));
        let sent = client.get(url.clone()).headers(headers.clone()).send().await;
        let response = sent.map_err(|error| at(fault(&error.without_url(), &verifier)))?;
        stage.set(Stage::Body);
        let status = response.status();
        let next = location(&response).filter(|_| !wanted.contains(&status.as_u16()));
        let Some(next) = next else {
            let body = body(response, get.max_body).await;
            let (body, whole) = body.map_err(|error| at(fault(&error.without_url(), &verifier)))?;
            return Ok(HttpAnswer {
                status: status.as_u16(),
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
        let (client, verifier) = client(post.ca_file, &stage).await?;
        stage.set(first_stage(&url));
        let request = client.post(url).headers(headers).body(body.to_vec());
        let sent = request.send().await;
        sent.map_err(|error| NetError::at(&place, fault(&error.without_url(), &verifier)))
    };
    let sent = stage.within(post.limit, sent).await;
    let response = sent.unwrap_or_else(|fault| Err(NetError::at(&place, fault)))?;
    let status = response.status().as_u16();
    let text = |name: HeaderName| response.headers().get(name)?.to_str().ok();
    let retry_after = text(RETRY_AFTER).and_then(|wait| retry_after::read(wait, text(DATE), clock::now()));
    // The server has done what it was asked for: what goes wrong behind the head of its answer does not undo that.
    let left = post.limit.saturating_sub(began.elapsed());
    let rest = tokio::time::timeout(left, self::body(response, post.max_body)).await;
    Ok(Posted {
        status,
        body: rest.ok().and_then(Result::ok).map_or_else(Vec::new, |(body, _)| body),
        retry_after,
    })
}

/// An IP address needs no resolver, which would set the next stage.
fn first_stage(url: &Url) -> Stage {
    if url.domain().is_some() {
        Stage::Addresses
    } else {
        Stage::Answer
    }
}

/// A client with explicit roots and provider, that does nothing by itself.
async fn client(ca_file: Option<&Path>, stage: &StageTracker) -> Result<(Client, Arc<RecordingVerifier>), NetError> {
    let (config, verifier) = trust::configure(ca_file, true).await?;
    let client = Client::builder()
        .tls_backend_preconfigured(config)
        .dns_resolver(Resolver(stage.clone()))
        .user_agent(USER_AGENT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| LocalError::Machine(innermost(&error.without_url())))?;
    Ok((client, verifier))
}

/// Resolves by [`resolve`], and sets the stage.
struct Resolver(StageTracker);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let stage = self.0.clone();
        Box::pin(async move {
            let found = resolve::addresses(name.as_str(), 0).await?;
            stage.set(Stage::Answer);
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn headers(given: &[(String, SecretString)]) -> Result<HeaderMap, LocalError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let wrong = |part| LocalError::Header {
            name: Shown(name.as_bytes()).to_string(),
            part,
        };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("name"))?;
        let mut value = HeaderValue::from_bytes(value.expose_secret().as_bytes()).map_err(|_| wrong("value"))?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// Where a redirect leads to; `None` for what is none.
fn location(response: &Response) -> Option<String> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let to = response.headers().get(LOCATION).filter(|_| redirects)?;
    Some(String::from_utf8_lossy(to.as_bytes()).into_owned())
}

/// The body up to `most` bytes, and whether that is all.
async fn body(mut response: Response, most: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = most - body.len();
        if chunk.len() > room {
            body.extend(chunk.iter().take(room));
            return Ok((body, false));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, true))
}

/// Host and port for people, or words for them.
fn place(url: &Url, secret: bool, redirects: usize) -> String {
    match (secret, redirects) {
        (true, 0) => "the server".to_owned(),
        (true, _) => "the server that it redirects to".to_owned(),
        (false, _) => {
            let host = url.host_str().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            tcp::place(host, url.port_or_known_default().unwrap_or_default())
        }
    }
}

/// What an error of the client library says, which has lost its URL.
fn fault(error: &reqwest::Error, verifier: &RecordingVerifier) -> Fault {
    if error.is_connect()
        && let Some(distrust) = verifier.seen().and_then(|seen| seen.distrust)
    {
        return Fault::Distrusted(distrust);
    }
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(fault) = error.downcast_ref::<Fault>() {
            return fault.clone();
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // Its source would be the source of what it holds.
            return match error.get_ref().map(|held| held as &(dyn std::error::Error + 'static)) {
                Some(held) if held.is::<io::Error>() => {
                    next = Some(held);
                    continue;
                }
                _ => tls::fault_of_handshake(error),
            };
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return tls::fault_of_tls(error);
        }
        next = error.source();
    }
    Fault::Answer(innermost(error))
}

fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    foreign(&error.to_string())
}
