//! moq-mls for WebAssembly: what `index.js` beside this crate stands on.
//!
//! Values cross as JavaScript has them: discriminated unions by `kind`, `bigint` for every number of 64 bits,
//! `Uint8Array` for bytes, `undefined` for what is not there. Nothing crosses as text. `carry` lists the variants and
//! fields of the boundary to the last one, so one that is not carried over does not compile.
//!
//! Every function takes and checks plain JavaScript values. A wrong type is a `TypeError`. Everything else is an
//! `Error` with the properties `status` and `code`, which `index.js` turns into a `MoqMlsError`.

mod asking;
mod carry;
#[cfg(feature = "participant")]
mod counter;
mod fail;
#[cfg(feature = "participant")]
mod identity;
mod js;
#[cfg(feature = "participant")]
mod media;
#[cfg(feature = "participant")]
mod moqt;
mod panics;
#[cfg(feature = "participant")]
mod participant;
#[cfg(feature = "service")]
mod service;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "participant")]
pub use self::counter::{counter_reply, counter_request};
pub use self::fail::Fail;
#[cfg(feature = "participant")]
pub use self::identity::Identity;
#[cfg(feature = "participant")]
pub use self::moqt::{FetchWriter, StreamReader, SubgroupWriter, decode_message, encode_message};
pub use self::panics::{last_panic, start};
#[cfg(feature = "participant")]
pub use self::participant::{Participant, default_config};
#[cfg(feature = "service")]
pub use self::service::{Service, default_service_config};

use wasm_bindgen::prelude::wasm_bindgen;

/// Returns the version of the events, actions and codes.
#[wasm_bindgen]
pub fn version() -> u32 {
    moq_mls_boundary::VERSION
}
