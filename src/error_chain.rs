//! [`error_chain`]: the message of an error and of all its causes, in one line.

use crate::own_process::why_refused;
use rustix::io::Errno;
use std::error::Error;

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
        let errno = cause.downcast_ref::<std::io::Error>().and_then(Errno::from_io_error);
        if let Some(why) = errno.and_then(why_refused) {
            text.push_str(": ");
            text.push_str(why);
        }
        next = cause.source();
    }
    text
}
