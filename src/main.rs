//! opsrun.
fn main() {}
