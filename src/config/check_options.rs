//! How a file is checked.

use chrono::{DateTime, Utc};

#[derive(Debug, Clone, Copy)]
pub struct CheckOptions {
    /// The present: findings about schedules name the dates that come next.
    pub now: DateTime<Utc>,
    /// Whether the facts about this host that the file relies on are checked.
    pub host: bool,
}
