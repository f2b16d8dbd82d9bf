//! opsrun
pub mod archive;
pub mod cli;
pub mod clock;
pub mod config;
pub mod entry;
pub mod exec;
pub mod kept;
pub mod launch;
pub mod model;
pub mod path;
pub mod plan;
pub mod report;
pub mod run;
pub mod signal;
pub mod store;
pub mod tree;
pub mod units;
