//! How a call fails, as JavaScript has it.

use js_sys::{Error as JsError, Reflect, TypeError};
use moq_mls_boundary::{Error, Status};
use wasm_bindgen::JsValue;

use crate::js::Js;

/// Why a call failed.
#[derive(Debug)]
pub enum Fail {
    /// A value is of another type than its place needs.
    Type {
        /// The place: names of properties, with dots between.
        at: String,
        /// The type.
        needed: &'static str,
    },
    /// A value has the right type, and cannot be taken.
    Value {
        /// The place.
        at: String,
        /// Why, as a number.
        status: Status,
        /// Why, as a short text.
        why: String,
    },
    /// What the boundary said.
    Boundary(Error),
    /// Bytes or a message that MoQT does not allow.
    Moqt(String),
    /// What a getter of the caller threw.
    Thrown(JsValue),
}

impl Fail {
    /// Returns the failure of a value of another type.
    pub(crate) fn needs(needed: &'static str) -> Self {
        Self::Type { at: String::new(), needed }
    }

    /// Returns the failure of a value that cannot be taken.
    pub(crate) fn value(status: Status, why: impl Into<String>) -> Self {
        Self::Value { at: String::new(), status, why: why.into() }
    }

    /// Puts the name of a property before the place.
    pub(crate) fn within(self, name: &str) -> Self {
        let longer = |at: String| if at.is_empty() { name.to_owned() } else { format!("{name}.{at}") };
        match self {
            Self::Type { at, needed } => Self::Type { at: longer(at), needed },
            Self::Value { at, status, why } => Self::Value { at: longer(at), status, why },
            Self::Boundary(error) => Self::Boundary(error),
            Self::Moqt(why) => Self::Moqt(why),
            Self::Thrown(value) => Self::Thrown(value),
        }
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Boundary(error)
    }
}

/// The status of a fault in MoQT, which the boundary has none for.
const INVALID_MOQT: (&str, u32) = ("invalidMoqt", 1000);

fn with_status(status: JsValue, code: u32, message: &str) -> JsValue {
    let error = JsError::new(message);
    // An Error takes properties.
    _ = Reflect::set(&error, &"status".into(), &status);
    _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}

impl From<Fail> for JsValue {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Type { at, needed } => TypeError::new(&format!("{at}: {needed} is needed")).into(),
            Fail::Value { at, status, why } => {
                with_status(status.to_js(), status as u32, &format!("{at}: {why}"))
            }
            Fail::Boundary(error) => {
                let status = error.status();
                with_status(status.to_js(), status as u32, &error.to_string())
            }
            Fail::Moqt(why) => with_status(INVALID_MOQT.0.into(), INVALID_MOQT.1, &why),
            Fail::Thrown(value) => value,
        }
    }
}
