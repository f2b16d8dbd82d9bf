//! opsrun
pub mod clock;
pub mod config;
pub mod entry;
pub mod model;
pub mod path;
pub mod units;
