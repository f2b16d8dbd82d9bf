//! opsrun: a declarative job runner that copies files, verifies the copy, and only then deletes.
//!
//! **opsrun never deletes a file unless the same run has read its exact content back from a durable copy.** This rule
//! takes precedence in every design decision.
//!
//! The library is the program, divided into rooms. `src/main.rs` only calls [`cli::main`]. The data flow:
//!
//! ```text
//! ops.kdl ──config──▶ Document (every field with its span) ──validate──▶ Model (meaning; no spans, no KDL)
//!         ──exec::survey──▶ Facts ──plan::build──▶ Plan (a value: printed, or run)
//!         ──exec::engine──▶ Event… ──▶ store (first, durable) ──▶ report        Status ──cli──▶ exit code
//!                                        └─alert::decide──▶ messages (in the same transaction) ──alert::sender──▶ channels
//!
//! Model ──daemon──▶ what is due at one instant ──claimed in store──▶ launch (survey, plan, engine: the same as by hand)
//! ```
//!
//! | layer | room | what it is |
//! |---|---|---|
//! | 0 | [`units`] [`clock`] [`path`] [`entry`] [`error_chain`] [`keep_reason`] | values and time; uses no other room |
//! | 0 | [`signal`] | how a run is asked to stop |
//! | 0 | [`blocking`] | calls that may hang, each in its own thread |
//! | 1 | [`model`] | what a valid file means, and what may be deleted: pure decisions |
//! | 1 | [`tree`] | the file system by handle; the only place that unlinks, renames over or truncates |
//! | 1 | [`process`] | child processes; the only place that starts them |
//! | 1 | [`net`] | connections, TLS, HTTP: with time limits, in bounded memory |
//! | 2 | [`channel`] | messages and the web services that receive them: settings and requests, pure |
//! | 2 | [`config`] | text → model; the only room that knows KDL |
//! | 2 | [`archive`] | copies: written, verified, published, restored |
//! | 2 | [`secret`] | secrets: fetched, remembered, and masked in all output |
//! | 2 | [`plan`] | model + request + facts → the graph of steps |
//! | 3 | [`run`] | events, and the state of steps that they lead to |
//! | 4 | [`exec`] | plan → events: survey, engine, actions |
//! | 4 | [`store`] | what is kept between runs: SQLite |
//! | 5 | [`alert`] | which channels are notified, when, and the sending |
//! | 5 | [`report`] | plans, events and copies for people and programs |
//! | 6 | [`launch`] | one whole run, from locks to outcome |
//! | 7 | [`daemon`] | schedules → due jobs → launch, until a signal asks to stop |
//! | 7 | [`inspect`] | answers about jobs and schedules: status, why, upcoming, simulate |
//! | 8 | [`cli`] | arguments, one file per command, exit codes |
//!
//! A room uses lower layers only; `tests/it/layering` enforces this table. To start reading, follow a deletion:
//! [`plan::graph`] (the types that enforce `backup → verify → cleanup`), [`archive::verify`](mod@archive::verify) (the
//! proof), [`exec::action::cleanup`] and [`tree::quarantine`].

pub mod alert;
pub mod archive;
pub mod blocking;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod entry;
pub mod error_chain;
pub mod exec;
pub mod inspect;
pub mod keep_reason;
pub mod launch;
pub mod model;
pub mod net;
pub mod path;
pub mod plan;
pub mod process;
pub mod report;
pub mod run;
pub mod secret;
pub mod signal;
pub mod store;
pub mod tree;
pub mod units;
