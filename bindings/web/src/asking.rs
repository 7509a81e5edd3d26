//! The actions that ask the counter service, as a program gives them back. To read the others, too, would only add bytes to
//! what a page loads.

use moq_mls_boundary::{Action, Error};
use wasm_bindgen::JsValue;

use crate::carry::variants;
use crate::fail::Fail;
use crate::js::{get, need_object};

/// Reads the argument `action`, which asks the service.
///
/// # Errors
/// `TypeError`; `noCounterRequest` for any other.
pub(crate) fn asking(action: &JsValue) -> Result<Action, Fail> {
    read(action).map_err(|fail| fail.within("action"))
}

fn read(action: &JsValue) -> Result<Action, Fail> {
    need_object(action)?;
    let kind: String = get(action, "kind")?;
    variants!(action, kind, Action {
        Lock { id, counter, val },
        Increment { id, counter, val, lock_id, prev, pin, key, commit },
        GetCommit { id, counter, val },
    });
    Err(Error::NoCounterRequest.into())
}
