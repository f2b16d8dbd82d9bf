//! What the tests share: directories with an ops file, trees of files, servers and certificates.
#![allow(dead_code, reason = "each test program, and each set of features, uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops at what it did not expect, and it starts programs"
)]

#[cfg(any(feature = "http", feature = "email"))]
pub mod ca;
pub mod clock;
pub mod confinement;
pub mod forge;
pub mod fuzzing;
pub mod image;
pub mod mount;
pub mod sandbox;
pub mod stub;
pub mod trees;
pub mod unit;
pub mod workspace;
pub mod zones;

/// Runs a future to its end, on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
