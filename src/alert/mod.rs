//! Who is told what: from results to messages, and from messages to people.
//!
//! Takes how steps ended, one key at a time, gives messages for channels; takes messages from an [`sender::Outbox`],
//! hands them to a [`sender::Deliver`]. Knows nothing of the store: what is remembered is handed in and given back.
//! - [`terms`]: who is told, and by which settings · [`decide`]: when to speak and when to be silent: a pure decision
//! - [`sender`]: attempts, waiting, giving up; order and rate · [`channel`]: one attempt, over one way
//!
//! Invariant: nobody is told of a recovery who was not told of the trouble, and no message is given up without being
//! written to the log.

pub mod channel;
pub mod decide;
pub mod sender;
pub mod terms;

pub use crate::channel::answer::Delivery;
pub use crate::channel::message::{Kind, Message, Origin, Part};
pub use decide::{Act, KeyState};
pub use sender::{Deliver, Outbox, Sender};
pub use terms::Terms;
