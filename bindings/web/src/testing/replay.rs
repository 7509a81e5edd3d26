//! A log, replayed through the public JavaScript functions: this side has nothing but what they take and return.

use bytes::Bytes;
use js_sys::{Function, Reflect};
use moq_mls_boundary::codes::Phase;
use moq_mls_boundary::testing::{self, Binding, State};
use moq_mls_boundary::{Action, Config, Event, Status};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::fail::Fail;
use crate::js::{Js, get};

/// The functions `start`, `handle`, `poll` and `state` of a JavaScript object.
struct Callbacks {
    object: JsValue,
}

/// Reads the status of what a function threw. What has none is a fault of the package, and so is what cannot be read.
fn status(thrown: &JsValue) -> Status {
    get(thrown, "status").unwrap_or(Status::Panicked)
}

fn read<T: Js>(value: &JsValue) -> Result<T, Status> {
    T::from_js(value).map_err(|fail| status(&fail.into()))
}

impl Callbacks {
    fn call(&self, name: &str, arguments: &[JsValue]) -> Result<JsValue, Status> {
        let function =
            Reflect::get(&self.object, &name.into()).ok().and_then(|f| f.dyn_into::<Function>().ok());
        let function = function.ok_or(Status::Unsupported)?;
        let arguments: js_sys::Array = arguments.iter().collect();
        function.apply(&self.object, &arguments).map_err(|thrown| status(&thrown))
    }
}

impl Binding for Callbacks {
    fn start(
        &mut self,
        (name, seed): (&str, u64),
        config: &Config,
        snapshot: Option<&[u8]>,
        now_ms: u64,
    ) -> Result<(), Status> {
        let snapshot = snapshot.map(Bytes::copy_from_slice).to_js();
        let arguments = [name.into(), seed.to_js(), config.clone().to_js(), snapshot, (now_ms as f64).into()];
        self.call("start", &arguments).map(drop)
    }

    fn handle(&mut self, now_ms: u64, event: Event) -> Result<(), Status> {
        self.call("handle", &[(now_ms as f64).into(), event.to_js()]).map(drop)
    }

    fn poll(&mut self) -> Result<Option<Action>, Status> {
        read(&self.call("poll", &[])?)
    }

    fn state(&mut self) -> Result<State, Status> {
        let state = self.call("state", &[])?;
        let field = |fail: Fail| status(&fail.into());
        Ok(State {
            phase: get::<Phase>(&state, "phase").map_err(field)?,
            epoch: get(&state, "epoch").map_err(field)?,
            authenticator: get(&state, "authenticator").map_err(field)?,
            context_hash: get(&state, "context_hash").map_err(field)?,
        })
    }
}

/// Replays a log through the functions of `object`, and returns how many actions there were.
///
/// # Errors
/// A sentence about the first difference.
#[wasm_bindgen]
pub fn replay(log: &str, object: JsValue) -> Result<f64, JsValue> {
    let actions = testing::replay(log, &mut Callbacks { object });
    actions.map(|actions| actions as f64).map_err(|why| js_sys::Error::new(&why).into())
}
