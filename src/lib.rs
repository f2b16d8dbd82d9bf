//! opsrun: a declarative job runner that copies files, verifies the copy, and only then deletes.
//!
//! **No file is ever deleted unless exactly its content can be read back from a durable copy, proven in the same
//! run.** Every design question is answered in favour of that first.
//!
//! The library is the program, divided into rooms; `src/main.rs` only calls [`cli::main`]. How data flows:
//!
//! ```text
//! ops.kdl ──config──▶ Document (every field with its span) ──rules──▶ Model (meaning; no spans, no KDL)
//!         ──exec::survey──▶ Facts ──plan::build──▶ Plan (a value: printed, or run)
//!         ──exec::engine──▶ Event… ──▶ store (first, durable) ──▶ report        Status ──cli──▶ exit code
//!                                        └─alert::decide──▶ messages (in the same transaction) ──alert::sender──▶ channels
//!
//! Model ──daemon──▶ what is due at one instant ──claimed in store──▶ launch (survey, plan, engine: as for `apply`)
//! ```
//!
//! | layer | room | what it is |
//! |---|---|---|
//! | 0 | [`units`] [`clock`] [`path`] [`error_chain`] [`keep_reason`] | values and time |
//! | 0 | [`file_system`] | what a file system is known to do |
//! | 0 | [`signal`] | how a run is asked to stop |
//! | 0 | [`blocking`] | calls that may hang, in threads of their own |
//! | 1 | [`entry`] | one file of a tree, and what identifies its state |
//! | 1 | [`process`] | child processes; the only room that starts any |
//! | 1 | [`net`] | connections, TLS, HTTP: bounded in time and memory |
//! | 2 | [`model`] | what a valid file means, and what may be deleted: pure decisions |
//! | 2 | [`tree`] | the file system by handle; the only room that unlinks, renames over or truncates |
//! | 3 | [`channel`] | messages, and the web services that they are sent to: settings and requests, pure |
//! | 3 | [`archive`] | what a copy is: written, verified, published, restored |
//! | 3 | [`secret`] | secrets: fetched, and masked in everything shown |
//! | 4 | [`config`] | text → model; the only room that knows KDL |
//! | 4 | [`plan`] | model + request + facts → the graph of steps |
//! | 5 | [`run`] | events, and the state of each step that follows from them |
//! | 6 | [`exec`] | plan → events: survey, engine, actions |
//! | 6 | [`store`] | what one run leaves for the next: SQLite |
//! | 7 | [`alert`] | which channels are notified, and when; sending |
//! | 8 | [`report`] | plans, events and copies for people and programs |
//! | 8 | [`launch`] | one whole run, from locks to outcome |
//! | 9 | [`daemon`] | schedules → due jobs → launch, until a signal asks to stop |
//! | 10 | [`inspect`] | answers about jobs and schedules: status, why, upcoming, simulate |
//! | 11 | [`cli`] | arguments, one file per command, exit codes |
//!
//! A room uses lower layers only, and no file imports from itself through others; `tests/it/layering` enforces both.
//! To understand a deletion, start at [`plan::graph`] (the types that make `backup → verify → cleanup` unavoidable),
//! then read [`archive::verify`](mod@archive::verify) (the proof), [`exec::action::cleanup`] and [`tree::quarantine`].

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
pub mod file_system;
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
