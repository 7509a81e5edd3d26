//! What crosses, to the last variant and field. No `_` stands for any: what is missing here does not compile.

#[cfg(feature = "testing")]
pub(crate) mod kinds;
mod notices;
mod plain;
mod unions;
mod values;

/// Carries an enum without fields over, as strings.
macro_rules! codes {
    ($name:ident { $($variant:ident),+ $(,)? }) => {
        impl crate::js::Js for $name {
            fn to_js(self) -> wasm_bindgen::JsValue {
                match self {
                    $(Self::$variant => crate::js::name(stringify!($variant)),)+
                }
            }

            fn from_js(value: &wasm_bindgen::JsValue) -> Result<Self, crate::fail::Fail> {
                let found = <String as crate::js::Js>::from_js(value)?;
                $(if crate::js::is_name(&found, stringify!($variant)) {
                    return Ok(Self::$variant);
                })+
                Err(crate::js::unknown(stringify!($name), &found))
            }
        }

        #[cfg(feature = "testing")]
        impl crate::carry::kinds::Kinds for $name {
            const KINDS: &'static [&'static str] = &[$(stringify!($variant)),+];
        }
    };
}

/// Carries a struct over, as an object.
macro_rules! record {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl crate::js::Js for $name {
            fn to_js(self) -> wasm_bindgen::JsValue {
                let Self { $($field),+ } = self;
                let object = js_sys::Object::new();
                $(crate::js::put(&object, stringify!($field), crate::js::Js::to_js($field));)+
                object.into()
            }

            fn from_js(value: &wasm_bindgen::JsValue) -> Result<Self, crate::fail::Fail> {
                crate::js::need_object(value)?;
                Ok(Self { $($field: crate::js::get(value, stringify!($field))?),+ })
            }
        }
    };
}

/// Returns the variant of these that the kind `found` names, read from `value`.
macro_rules! variants {
    ($value:expr, $found:expr, $of:ident { $($variant:ident { $($field:ident $(= $place:tt)?),* $(,)? }),+ $(,)? }) => {
        $(if crate::js::is_name(&$found, stringify!($variant)) {
            $(let $field = crate::js::get($value, stringify!($field))?;)*
            return Ok($of::$variant { $($($place:)? $field),* });
        })+
    };
}

/// Carries an enum with fields over, as a union discriminated by `kind`. `notice = 0` names the field of a tuple.
macro_rules! tagged {
    ($name:ident { $($variant:ident { $($field:ident $(= $place:tt)?),* $(,)? }),+ $(,)? }) => {
        impl crate::js::Js for $name {
            fn to_js(self) -> wasm_bindgen::JsValue {
                let object = js_sys::Object::new();
                match self {
                    $(Self::$variant { $($($place:)? $field),* } => {
                        crate::js::put(&object, "kind", crate::js::name(stringify!($variant)));
                        $(crate::js::put(&object, stringify!($field), crate::js::Js::to_js($field));)*
                    })+
                }
                object.into()
            }

            fn from_js(value: &wasm_bindgen::JsValue) -> Result<Self, crate::fail::Fail> {
                crate::js::need_object(value)?;
                let found: String = crate::js::get(value, "kind")?;
                crate::carry::variants!(value, found, Self { $($variant { $($field $(= $place)?),* }),+ });
                Err(crate::js::unknown(stringify!($name), &found).within("kind"))
            }
        }

        #[cfg(feature = "testing")]
        impl crate::carry::kinds::Kinds for $name {
            const KINDS: &'static [&'static str] = &[$(stringify!($variant)),+];
        }
    };
}

pub(crate) use {codes, record, tagged, variants};
