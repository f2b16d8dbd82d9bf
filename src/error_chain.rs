//! [`error_chain`]: the message of an error and of all its causes, in one line; [`with_reason`]: the message of an error of the system.

use crate::limits;
use crate::own_process::why_refused;
use rustix::io::Errno;
use std::error::Error;
use std::io;

/// Leaves out a cause that repeats what is already there.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // A wrapper that shows its cause as its own message adds nothing, nor does a cause that repeats it.
        if !text.ends_with(&cause_text) && (last.is_empty() || !cause_text.ends_with(last.as_str())) {
            text.push_str(": ");
            text.push_str(&cause_text);
            last = cause_text;
        }
        let errno = cause.downcast_ref::<io::Error>().and_then(Errno::from_io_error);
        if let Some(why) = errno.and_then(reason) {
            text.push_str(": ");
            text.push_str(&why);
        }
        next = cause.source();
    }
    text
}

/// The message of an error of the system, with what caused it: a sandbox, a limit.
pub fn with_reason(error: &io::Error) -> String {
    let reason = Errno::from_io_error(error).and_then(reason);
    reason.map_or_else(|| error.to_string(), |why| format!("{error}: {why}"))
}

fn reason(errno: Errno) -> Option<String> {
    let refused = why_refused(errno).map(str::to_owned);
    refused.or_else(|| limits::reached(errno))
}
