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
//! | 0 | [`units`] [`clock`] [`path`] [`keep_reason`] | values and time |
//! | 0 | [`file_system`] | what a file system is known to do |
//! | 0 | [`own_process`] | what the kernel says of this process: ignored signals, rights, a sandbox |
//! | 0 | [`limits`] | limits of the system on this process: raised, and named |
//! | 1 | [`blocking`] | calls that may hang, in threads of their own |
//! | 1 | [`error_chain`] | the message of an error and of its causes |
//! | 1 | [`signal`] | how a run is asked to stop |
//! | 1 | [`user_database`] | names and numbers of users and groups |
//! | 1 | [`time_zone`] | time zones: the zone data of the host, or else built-in; local times |
//! | 2 | [`entry`] | one file of a tree, and what identifies its state |
//! | 2 | [`process`] | child processes; the only room that starts any |
//! | 2 | [`net`] | connections, TLS, HTTP: bounded in time and memory |
//! | 3 | [`model`] | what a valid file means, and what may be deleted: pure decisions |
//! | 3 | [`tree`] | the file system by handle; the only room that unlinks, renames over or truncates |
//! | 4 | [`channel`] | messages, and the web services that they are sent to: settings and requests, pure |
//! | 4 | [`archive`] | what a copy is: written, verified, published, restored |
//! | 4 | [`liveness`] | which processes of opsrun, and which process groups of their commands, are still there |
//! | 4 | [`secret`] | secrets: fetched, and masked in everything shown |
//! | 5 | [`config`] | text → model; the only room that knows KDL |
//! | 5 | [`plan`] | model + request + facts → the graph of steps |
//! | 6 | [`run`] | events, and the state of each step that follows from them |
//! | 7 | [`exec`] | plan → events: survey, engine, actions |
//! | 7 | [`store`] | what one run leaves for the next: SQLite |
//! | 8 | [`alert`] | which channels are notified, and when; sending |
//! | 9 | [`report`] | plans, events and copies for people and programs |
//! | 9 | [`launch`] | one whole run, from locks to outcome |
//! | 10 | [`daemon`] | schedules → due jobs → launch, until a signal asks to stop |
//! | 11 | [`inspect`] | answers about jobs and schedules: status, why, upcoming, simulate |
//! | 12 | [`cli`] | arguments, one file per command, exit codes |
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
pub mod limits;
pub mod liveness;
pub mod model;
pub mod net;
pub mod own_process;
pub mod path;
pub mod plan;
pub mod process;
pub mod report;
pub mod run;
pub mod secret;
pub mod signal;
pub mod store;
pub mod time_zone;
pub mod tree;
pub mod units;
pub mod user_database;
