//! What a log holds, as the public JavaScript functions take it: for benchmarks.

use js_sys::{Array, Object};
use moq_mls::testing::replay::{event, header};
use moq_mls_boundary::{Config, Event, Status};
use serde_json::Value;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::fail::Fail;
use crate::js::{Js, put};

/// Returns `{ config, events }` of a log. Each event is `{ line, nowMs, event }`, `line` counted from 0.
///
/// # Errors
/// A log that does not parse.
#[wasm_bindgen(js_name = logEvents)]
pub fn log_events(log: &str) -> Result<Object, Fail> {
    let wrong = |why: String| Fail::value(Status::Unsupported, why).within("log");
    let json = |line: &str| serde_json::from_str::<Value>(line).map_err(|error| wrong(error.to_string()));
    let first = json(log.lines().next().unwrap_or_default())?;
    let config = Config::from(header(&first).map_err(wrong)?.config);
    let events = Array::new();
    for (at, line) in log.lines().enumerate() {
        let line = json(line)?;
        let Some(now_ms) = line.get("at").and_then(Value::as_u64).filter(|_| line.get("event").is_some())
        else {
            continue;
        };
        let object = Object::new();
        put(&object, "line", at.to_js());
        put(&object, "now_ms", (now_ms as f64).into());
        put(&object, "event", Event::from(event(&line).map_err(wrong)?).to_js());
        events.push(&object);
    }
    let object = Object::new();
    put(&object, "config", config.to_js());
    put(&object, "events", events.into());
    Ok(object)
}
