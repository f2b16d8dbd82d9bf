//! opsrun
pub mod clock;
pub mod config;
pub mod entry;
pub mod kept;
pub mod model;
pub mod path;
pub mod plan;
pub mod run;
pub mod store;
pub mod tree;
pub mod units;
