//! How values cross: one trait, and what all its implementations stand on.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use js_sys::{Array, Object, Reflect, Uint8Array};
use moq_mls_boundary::Status;
use moq_mls_boundary::values::SecretBytes;
use wasm_bindgen::{JsCast, JsValue};

use crate::fail::Fail;

/// A value that crosses to JavaScript and back.
pub(crate) trait Js: Sized {
    /// Makes the value that JavaScript has.
    fn to_js(self) -> JsValue;

    /// Reads what JavaScript has.
    fn from_js(value: &JsValue) -> Result<Self, Fail>;
}

thread_local! {
    /// Names of properties and codes as JavaScript has them: each is made once.
    static NAMES: RefCell<BTreeMap<&'static str, JsValue>> = const { RefCell::new(BTreeMap::new()) };
}

/// Turns `snake_case` or `PascalCase` into `camelCase`.
fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            _ if camel.is_empty() => camel.push(letter.to_ascii_lowercase()),
            _ if upper => {
                camel.push(letter.to_ascii_uppercase());
                upper = false;
            }
            _ => camel.push(letter),
        }
    }
    camel
}

/// Returns the JavaScript string of a Rust name.
#[inline(never)]
pub(crate) fn name(name: &'static str) -> JsValue {
    NAMES
        .with_borrow_mut(|names| names.entry(name).or_insert_with(|| JsValue::from_str(&camel(name))).clone())
}

/// Says whether a JavaScript string is that of a Rust name.
#[inline(never)]
pub(crate) fn is_name(value: &str, name: &str) -> bool {
    camel(name) == value
}

/// Sets a property, unless the value is not there.
#[inline(never)]
pub(crate) fn put(object: &Object, property: &'static str, value: JsValue) {
    if !value.is_undefined() {
        // A fresh object takes properties.
        _ = Reflect::set(object, &name(property), &value);
    }
}

/// Reads a property, whatever it is. It is apart from [`get`], which exists once for each type.
#[inline(never)]
fn property(object: &JsValue, property: &'static str) -> Result<JsValue, Fail> {
    Reflect::get(object, &name(property)).map_err(Fail::Thrown)
}

/// Says where a failure was.
#[cold]
#[inline(never)]
fn located(fail: Fail, property: &str) -> Fail {
    fail.within(&camel(property))
}

/// Reads a property.
pub(crate) fn get<T: Js>(object: &JsValue, name: &'static str) -> Result<T, Fail> {
    T::from_js(&property(object, name)?).map_err(|fail| located(fail, name))
}

/// Reads an argument of a call.
pub(crate) fn argument<T: Js>(value: &JsValue, name: &str) -> Result<T, Fail> {
    T::from_js(value).map_err(|fail| fail.within(name))
}

/// Reads a time: milliseconds since the Unix epoch, as `Date.now` returns them.
pub(crate) fn time(value: &JsValue) -> Result<u64, Fail> {
    let fits = |ms: &f64| *ms >= 0.0 && *ms <= u64::MAX as f64;
    let wrong = || Fail::needs("a number of milliseconds since the Unix epoch").within("nowMs");
    value.as_f64().filter(fits).map(|ms| ms as u64).ok_or_else(wrong)
}

/// Refuses what has no properties.
pub(crate) fn need_object(value: &JsValue) -> Result<(), Fail> {
    if value.is_object() { Ok(()) } else { Err(Fail::needs("an object")) }
}

/// Returns what is unknown of a code or kind that names nothing.
#[cold]
#[inline(never)]
pub(crate) fn unknown(what: &str, found: &str) -> Fail {
    Fail::value(Status::UnknownCode, format!("{found:?} is no {what}"))
}

impl Js for bool {
    fn to_js(self) -> JsValue {
        self.into()
    }

    fn from_js(value: &JsValue) -> Result<Self, Fail> {
        value.as_bool().ok_or(Fail::needs("a boolean"))
    }
}

impl Js for String {
    fn to_js(self) -> JsValue {
        self.into()
    }

    fn from_js(value: &JsValue) -> Result<Self, Fail> {
        let text = value.as_string().ok_or(Fail::needs("a string"))?;
        // Half of a surrogate pair has become this character.
        if text.contains(char::REPLACEMENT_CHARACTER) && JsValue::from_str(&text) != *value {
            return Err(Fail::value(Status::NotUtf8, "half of a surrogate pair"));
        }
        Ok(text)
    }
}

impl Js for u64 {
    fn to_js(self) -> JsValue {
        self.into()
    }

    fn from_js(value: &JsValue) -> Result<Self, Fail> {
        if !value.is_bigint() {
            return Err(Fail::needs("a bigint"));
        }
        Self::try_from(value.clone())
            .map_err(|_| Fail::value(Status::InvalidLength, "not from 0 to 2^64 - 1"))
    }
}

macro_rules! small_integers {
    ($($integer:ty),+) => {$(
        impl Js for $integer {
            fn to_js(self) -> JsValue {
                self.into()
            }

            fn from_js(value: &JsValue) -> Result<Self, Fail> {
                let number = value.as_f64().ok_or(Fail::needs("a number"))?;
                let fits = number.fract() == 0.0 && (0.0..=f64::from(Self::MAX)).contains(&number);
                let wrong = format!("not a whole number from 0 to {}", Self::MAX);
                // Whole and in range.
                if fits { Ok(number as Self) } else { Err(Fail::value(Status::InvalidLength, wrong)) }
            }
        }
    )+};
}
small_integers!(u8, u16, u32);

impl Js for usize {
    fn to_js(self) -> JsValue {
        // A length in memory, below 2^53.
        (self as f64).into()
    }

    fn from_js(value: &JsValue) -> Result<Self, Fail> {
        u32::from_js(value).map(|length| length as Self)
    }
}

impl Js for Bytes {
    fn to_js(self) -> JsValue {
        Uint8Array::from(&*self).into()
    }

    fn from_js(value: &JsValue) -> Result<Self, Fail> {
        let array = value.dyn_ref::<Uint8Array>().ok_or(Fail::needs("a Uint8Array"))?;
        Ok(array.to_vec().into())
    }
}

impl Js for SecretBytes {
    fn to_js(self) -> JsValue {
        self.0.to_js()
    }

    fn from_js(value: &JsValue) -> Result<Self, Fail> {
        Bytes::from_js(value).map(Self)
    }
}

impl Js for [u8; 32] {
    fn to_js(self) -> JsValue {
        Uint8Array::from(&self[..]).into()
    }

    fn from_js(value: &JsValue) -> Result<Self, Fail> {
        let bytes = Bytes::from_js(value)?;
        let wrong =
            |_| Fail::value(Status::InvalidLength, format!("{} bytes, where 32 are needed", bytes.len()));
        Self::try_from(&*bytes).map_err(wrong)
    }
}

impl<T: Js> Js for Option<T> {
    fn to_js(self) -> JsValue {
        self.map_or(JsValue::UNDEFINED, T::to_js)
    }

    fn from_js(value: &JsValue) -> Result<Self, Fail> {
        if value.is_undefined() || value.is_null() { Ok(None) } else { T::from_js(value).map(Some) }
    }
}

impl<T: Js> Js for Vec<T> {
    fn to_js(self) -> JsValue {
        self.into_iter().map(T::to_js).collect::<Array>().into()
    }

    fn from_js(value: &JsValue) -> Result<Self, Fail> {
        let array = value.dyn_ref::<Array>().ok_or(Fail::needs("an array"))?;
        let read =
            |(at, value): (usize, JsValue)| T::from_js(&value).map_err(|fail| fail.within(&at.to_string()));
        array.iter().enumerate().map(read).collect()
    }
}
