//! Runs tract's code and turns a panic in it into an error.
//!
//! tract indexes inputs that the nodes of a damaged model lack (a `Flatten` without an input, for example). The
//! caller has to report a damaged model; the program must not abort.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use tract_onnx::prelude::TractResult;

/// Largest length of a message, in bytes.
const MOST: usize = 400;

thread_local! {
    /// Whether this thread is inside [`guarded`], where a panic is returned as an error and not printed on stderr.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `task` and returns its error or panic as a line of text. `task` must not leave shared data half changed.
pub(super) fn guarded<T>(task: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let outer = take_hook();
        set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                outer(info);
            }
        }));
    });
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(task));
    GUARDED.set(false);
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(shortened(format!("{error:#}"))),
        Err(panic) => Err(shortened(format!("its code panicked: {}", text(&*panic)))),
    }
}

/// Cuts a message that quotes the model, which may be long.
fn shortened(mut message: String) -> String {
    if message.len() > MOST {
        message.truncate(message.floor_char_boundary(MOST));
        message += " ...";
    }
    message
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
