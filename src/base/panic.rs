//! Panics: caught where foreign code may panic, and told in one line instead of a trace.

use std::any::Any;
use std::cell::Cell;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

thread_local! {
    /// A caller up the stack catches a panic of this thread and tells of it.
    static AWAITED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic; a panic becomes its message. What it had under way must not be used afterwards.
///
/// # Errors
/// The message of the panic.
pub fn caught<T>(what: impl FnOnce() -> T) -> Result<T, String> {
    let outer = AWAITED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(what));
    AWAITED.set(outer);
    outcome.map_err(|payload| message(&*payload))
}

/// Makes a panic of any thread one line, in the log or on standard error; no line where [`caught`] hands it on.
pub fn tell_in_one_line() {
    set_hook(Box::new(|info| {
        if AWAITED.try_with(Cell::get).unwrap_or(false) {
            return;
        }
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        let message = message(info.payload());
        if tracing::dispatcher::has_been_set() {
            tracing::error!(panic.place = place, thread, "a fault inside: {message}");
        } else {
            drop(writeln!(std::io::stderr(), "musterd: a fault inside, at {place}: {message}"));
        }
    }));
}

fn message(payload: &dyn Any) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    let line: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
    if line.is_empty() { "a panic without words".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_first_line() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("first\nsecond")), Err::<(), _>("first".to_owned()));
        assert_eq!(caught(|| std::panic::panic_any(7_u8)), Err::<(), _>("a panic without words".to_owned()));
    }
}
