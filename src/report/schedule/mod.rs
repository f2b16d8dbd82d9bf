//! Jobs and schedules: `status`, `why`, `plan --next`, `simulate`.

pub mod simulation;
pub mod status;
pub mod upcoming;
pub mod why;
