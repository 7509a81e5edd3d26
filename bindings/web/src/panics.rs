//! What a panic said. WebAssembly traps after it, so that is all that is left of it.

use std::cell::RefCell;

use wasm_bindgen::prelude::wasm_bindgen;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what panics say from now on.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| {
        // A second panic in here would hide the first.
        _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = panic.to_string()));
    }));
}

/// Takes what the last panic said; empty if there was none since.
#[wasm_bindgen(js_name = lastPanic)]
pub fn last_panic() -> String {
    LAST.take()
}
