//! Makes the files under `vectors/`, which `vectors/README.md` specifies. The same code, the same bytes:
//! a test compares them with what is committed.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "run by tests and by hand")]

mod codec;
mod counter;
mod lives;
mod names;
mod objects;
mod passive;
mod values;

use serde_json::{Value, json};

pub use self::values::VERSION;
use self::values::pretty;

/// Every generated file: its path under `vectors/`, and its text.
pub fn all() -> Vec<(String, String)> {
    let mut files = codec::files();
    files.push(objects::file());
    files.extend(names::files());
    files.extend(counter::files());
    files.push(passive::file());
    let mut texts: Vec<(String, String)> =
        files.into_iter().map(|(path, value)| (path, pretty(&value))).collect();
    let mut manifest: Vec<Value> = Vec::new();
    for (path, text) in &texts {
        let value: Value = serde_json::from_str(text).expect("just made");
        manifest.push(json!({ "path": path, "format": value["format"], "source": value["source"] }));
    }
    for (path, text) in lives::files() {
        manifest.push(json!({ "path": path, "format": "log", "source": "draft sections 6 and 7, RFC 9420" }));
        texts.push((path, text));
    }
    let manifest = json!({ "format": "manifest", "version": VERSION, "files": manifest });
    texts.push(("manifest.json".to_owned(), pretty(&manifest)));
    texts
}
