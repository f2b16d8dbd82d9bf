//! Alerts: from results to messages, and from messages to people.
//!
//! Takes how steps ended and writes messages for channels, with the events, into the [`store`](crate::store); takes them
//! from there and sends them.
//! - [`rules`]: which channels are notified, by which settings · [`decide`]: when to notify and when to be silent, a pure
//!   decision · [`recorder`]: from events to messages
//! - [`sender`]: attempts, waiting, giving up · [`channel`]: one attempt over one channel · [`outbox`]: send, list, replay
//!
//! Invariant: a channel receives a recovery only if it received the trouble, and a message is given up only with a line
//! in the log.

pub mod channel;
pub mod decide;
pub mod outbox;
pub mod recorder;
pub mod rules;
pub mod sender;

pub use outbox::AlertError;
