//! For the tests of this package: seeded participants, every kind there and back, and logs that are replayed through
//! the public JavaScript functions. It is in no shipped build.

mod bench;
mod replay;

pub use self::bench::log_events;
pub use self::replay::replay;

use bytes::Bytes;
use js_sys::Array;
use moq_mls_boundary as boundary;
use moq_mls_boundary::codes::*;
use moq_mls_boundary::{Action, Config, Event, Notice, Status};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::carry::kinds::Kinds;
use crate::fail::Fail;
use crate::js::{Js, argument, name, time, unknown};
use crate::moqt::MoqtMessage;
use crate::participant::Participant;

#[wasm_bindgen]
impl Participant {
    /// Makes a participant whose engine is `seeded NAME SEED`, from a snapshot if there is one.
    ///
    /// # Errors
    /// As `create` and `restore`.
    pub fn seeded(
        name: &JsValue,
        seed: &JsValue,
        config: &JsValue,
        snapshot: &JsValue,
        now_ms: &JsValue,
    ) -> Result<Self, Fail> {
        let (name, seed): (String, u64) = (argument(name, "name")?, argument(seed, "seed")?);
        let (config, snapshot): (Config, Option<Bytes>) =
            (argument(config, "config")?, argument(snapshot, "snapshot")?);
        let now_ms = time(now_ms)?;
        Ok(Self(match snapshot {
            Some(snapshot) => boundary::Participant::restore_seeded(&name, seed, &config, &snapshot, now_ms)?,
            None => boundary::Participant::seeded(&name, seed, &config, now_ms)?,
        }))
    }

    /// Panics, for tests of what is left then.
    #[expect(clippy::panic, reason = "that is what it is for")]
    pub fn fail(&mut self) {
        panic!("a test asked for it");
    }
}

/// Reads a value of a type of the boundary, and makes it again.
///
/// # Errors
/// As every function that takes such a value.
#[wasm_bindgen(js_name = thereAndBack)]
pub fn there_and_back(of: &str, value: &JsValue) -> Result<JsValue, Fail> {
    Ok(match of {
        "event" => Event::from_js(value)?.to_js(),
        "action" => Action::from_js(value)?.to_js(),
        "notice" => Notice::from_js(value)?.to_js(),
        "config" => Config::from_js(value)?.to_js(),
        "status" => Status::from_js(value)?.to_js(),
        _ => return Err(unknown("type", of)),
    })
}

/// Returns the names of all kinds or codes of a type, as JavaScript has them.
///
/// # Errors
/// `unknownCode` for a name that is no type.
#[wasm_bindgen]
pub fn kinds(of: &str) -> Result<JsValue, Fail> {
    macro_rules! find {
        ($($name:ident),+) => {
            match of {
                $(stringify!($name) => <$name as Kinds>::KINDS,)+
                _ => return Err(unknown("type", of)),
            }
        };
    }
    let kinds = find!(
        Event,
        Action,
        Notice,
        Status,
        SafetyMode,
        Admission,
        CommitTracks,
        Phase,
        RequestKind,
        Failure,
        Reason,
        Breach,
        ClockError,
        ClockWitness,
        Refusal,
        Fault,
        RejoinReason,
        Silence,
        SwitchReason,
        ForgetReason,
        Hold,
        EpochCause,
        ServiceFault,
        RecoveryStep,
        WaitsFor,
        MoqtMessage
    );
    Ok(kinds.iter().copied().map(name).collect::<Array>().into())
}
