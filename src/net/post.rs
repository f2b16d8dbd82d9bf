//! One POST over HTTP.
//!
//! Takes a URL and headers that may be secret, a body, an extra CA file and limits; gives what the server answered. No
//! redirect is followed: the method and the body would not always survive one, and what was meant for one server is
//! not for another; the user can write the URL that it leads to.
//! Invariant, as in [`super::http`]: in time, never more of the answer than the limit, never the URL in an error.

use super::error::{LocalError, NetError};
use super::http::{body, client, fault, headers, is_http, place};
use super::posted::Posted;
use super::retry_after;
use super::stage::Stage;
use super::stage_tracker::StageTracker;
use crate::clock::{self, Stopwatch};
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use std::path::Path;
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// `http://` or `https://`.
    pub url: &'a SecretString,
    /// Not even its host may be named.
    pub secret: bool,
    pub headers: &'a [(String, SecretString)],
    /// Sent as it is.
    pub body: &'a [u8],
    /// Trusted besides the system's own: a PEM file.
    pub ca_file: Option<&'a Path>,
    /// More of the answer is not read.
    pub max_body: usize,
    /// For everything.
    pub limit: Duration,
}

/// Sends.
pub async fn post(post: Post<'_>) -> Result<Posted, NetError> {
    let url = Url::parse(post.url.expose_secret()).map_err(|error| LocalError::Url(error.to_string()))?;
    if !is_http(&url) {
        return Err(LocalError::Url("it is not http or https".to_owned()).into());
    }
    let headers = headers(post.headers)?;
    let stage = StageTracker::new(Stage::Roots);
    let place = place(&url, post.secret, 0);
    let began = Stopwatch::set();
    let sent = stage.within(post.limit, send(post, url, headers, &stage, &place)).await;
    let (response, retry_after) = sent.unwrap_or_else(|fault| Err(NetError::at(&place, fault)))?;
    let status = response.status().as_u16();
    // The server has done what it was asked for: what goes wrong behind the head of its answer does not undo that.
    let left = post.limit.saturating_sub(began.elapsed());
    let rest = tokio::time::timeout(left, body(response, post.max_body)).await;
    Ok(Posted {
        status,
        body: rest.ok().and_then(Result::ok).map_or_else(Vec::new, |(body, _)| body),
        retry_after,
    })
}

async fn send(
    post: Post<'_>,
    url: Url,
    headers: HeaderMap,
    stage: &StageTracker,
    place: &str,
) -> Result<(Response, Option<Duration>), NetError> {
    let (client, verifier) = client(post.ca_file, stage).await?;
    let at = |error: reqwest::Error| NetError::at(place, fault(&error.without_url(), &verifier));
    stage.set(if url.domain().is_some() {
        Stage::Addresses
    } else {
        Stage::Answer
    });
    let request = client.post(url).headers(headers).body(post.body.to_vec());
    let response = request.send().await.map_err(at)?;
    let text = |name: HeaderName| {
        let value = response.headers().get(name)?;
        value.to_str().ok()
    };
    let retry_after = text(RETRY_AFTER).and_then(|wait| retry_after::read(wait, text(DATE), clock::now()));
    Ok((response, retry_after))
}
