//! Time zones: which offset from UTC the clocks of a place have at an instant.
//!
//! - [`Zone`]: a value with all its clock changes, loaded once; pure
//! - [`ZoneDatabase`]: names → zones, from the zone files of the host, or else from the built-in data
//! - `tzif`: the bytes of one zone file → its clock changes
//!
//! Knows no schedules. Invariant: a zone file decides only if it was understood as a whole; the built-in data take its
//! place otherwise, and the zone says so.

mod database;
mod tzif;
mod zone;

pub use database::{ZoneData, ZoneDatabase, built_in, built_in_names, built_in_version, is_zone_name};
pub use zone::{ClockShift, RefusedFile, Zone, ZoneOrigin};

#[cfg(test)]
mod tests;
