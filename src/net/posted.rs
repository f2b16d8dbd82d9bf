//! What a server answered to a POST: plain data, also in a build without HTTP.

use std::time::Duration;

/// A longer `Retry-After` is cut to this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    pub status: u16,
    /// The beginning of the body, up to the limit.
    pub body: Vec<u8>,
    /// When the server wants to be asked again.
    pub retry_after: Option<Duration>,
}
