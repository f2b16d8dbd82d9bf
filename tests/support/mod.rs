//! What the tests share: trees of files, servers and certificates.
#![allow(dead_code, reason = "each test program, and each set of features, uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world has failed")]

#[cfg(any(feature = "http", feature = "email"))]
pub mod ca;
pub mod stub;
pub mod trees;
