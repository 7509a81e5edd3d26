//! Where logged lines go: to standard error, or into the live view.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

static VIEW: Mutex<Option<mpsc::UnboundedSender<String>>> = Mutex::new(None);

/// Sends what is logged from now on to the receiver.
pub fn divert() -> mpsc::UnboundedReceiver<String> {
    let (lines, logged) = mpsc::unbounded_channel();
    *VIEW.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines);
    logged
}

/// Ends that: what is logged from now on goes to standard error.
pub fn to_stderr() {
    *VIEW.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// A writer of whole lines, for `tracing_subscriber`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let view = VIEW.lock().unwrap_or_else(PoisonError::into_inner);
        match &*view {
            Some(lines) if lines.send(String::from_utf8_lossy(text).trim_end().to_owned()).is_ok() => {
                Ok(text.len())
            }
            _ => io::stderr().write(text),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
