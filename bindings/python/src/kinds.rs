//! The Python classes that stand for the boundary's enums and structs, and the macros that list their fields.

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

use crate::carry::wrong;
use crate::fail::Fail;

/// A class: its name, and the names of its fields in order.
pub(crate) type Kind = (&'static str, &'static [&'static str]);

/// A type whose variants are Python dataclasses.
pub(crate) trait Kinds {
    /// Its name, for errors.
    const NAME: &'static str;
    /// The module that has the classes.
    const MODULE: &'static str;
    /// The classes.
    const KINDS: &'static [Kind];

    /// Where the classes are kept.
    fn cell() -> &'static PyOnceLock<Vec<Py<PyType>>>;
}

/// Returns the classes of a type, in its order.
///
/// # Errors
/// `ImportError` if one is missing, or has other fields than the boundary.
pub(crate) fn classes<T: Kinds>(py: Python<'_>) -> PyResult<&'static [Py<PyType>]> {
    let load = || -> PyResult<Vec<Py<PyType>>> {
        let module = py.import(T::MODULE)?;
        let load = |(name, fields): &Kind| -> PyResult<Py<PyType>> {
            let missing = |_| PyImportError::new_err(format!("{}.{name} is missing", T::MODULE));
            let class = module.getattr(*name).map_err(missing)?.cast_into::<PyType>()?;
            let found: Vec<String> = class.getattr("__match_args__")?.extract()?;
            if found != *fields {
                let why = format!("{}.{name} has the fields {found:?}, and not {fields:?}", T::MODULE);
                return Err(PyImportError::new_err(why));
            }
            Ok(class.unbind())
        };
        T::KINDS.iter().map(load).collect()
    };
    Ok(T::cell().get_or_try_init(py, load)?.as_slice())
}

/// Makes an object of the class of that name.
pub(crate) fn make<'py, T: Kinds>(
    py: Python<'py>,
    name: &str,
    fields: Vec<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut named = T::KINDS.iter().zip(classes::<T>(py)?);
    let class = named.find(|((kind, _), _)| *kind == name).map(|(_, class)| class);
    let class = class.ok_or_else(|| PyImportError::new_err(format!("{}.{name} is missing", T::MODULE)))?;
    class.bind(py).call1(PyTuple::new(py, fields)?)
}

/// Returns the name of an object's class, which must be one of the type's.
///
/// # Errors
/// `TypeError` for any other object.
pub(crate) fn kind_of<T: Kinds>(from: &Bound<'_, PyAny>) -> Result<&'static str, Fail> {
    let class = from.get_type();
    let mut named = T::KINDS.iter().zip(classes::<T>(from.py())?);
    let found = named.find(|(_, known)| known.is(&class)).map(|((name, _), _)| *name);
    found.ok_or_else(|| wrong(from, T::NAME))
}

/// The name of a field in Python: its own, or the one that is given for it.
macro_rules! shown {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $shown:literal) => {
        $shown
    };
}

/// Names the classes of a type.
macro_rules! classed {
    ($name:ident in $module:literal { $($kind:tt)* }) => {
        impl crate::kinds::Kinds for $name {
            const NAME: &'static str = stringify!($name);
            const MODULE: &'static str = $module;
            const KINDS: &'static [crate::kinds::Kind] = &[$($kind)*];

            fn cell() -> &'static pyo3::sync::PyOnceLock<Vec<pyo3::Py<pyo3::types::PyType>>> {
                static CELL: pyo3::sync::PyOnceLock<Vec<pyo3::Py<pyo3::types::PyType>>> =
                    pyo3::sync::PyOnceLock::new();
                &CELL
            }
        }
    };
}

/// Carries an enum by one dataclass for each variant: to forget a variant or a field does not compile.
macro_rules! kinds {
    (
        $name:ident in $module:literal {
            $($variant:ident { $($field:ident $(= $shown:literal)?),* $(,)? }),+ $(,)?
        }
        wrapping { $($wrapper:ident { $inner:ident }),* }
    ) => {
        crate::kinds::classed!($name in $module {
                $((stringify!($variant), &[$(crate::kinds::shown!($field $($shown)?)),*]),)+
                $((stringify!($wrapper), &[stringify!($inner)]),)*
        });

        impl crate::carry::Carry for $name {
            fn give(self, py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Bound<'_, pyo3::PyAny>> {
                let (name, fields) = match self {
                    $(Self::$variant { $($field),* } => {
                        (stringify!($variant), vec![$(crate::carry::Carry::give($field, py)?),*])
                    })+
                    $(Self::$wrapper($inner) => {
                        (stringify!($wrapper), vec![crate::carry::Carry::give($inner, py)?])
                    })*
                };
                crate::kinds::make::<Self>(py, name, fields)
            }

            fn take(from: &pyo3::Bound<'_, pyo3::PyAny>) -> Result<Self, crate::fail::Fail> {
                let kind = crate::kinds::kind_of::<Self>(from)?;
                $(if kind == stringify!($variant) {
                    return Ok(Self::$variant {
                        $($field: crate::carry::field(from, crate::kinds::shown!($field $($shown)?))?),*
                    });
                })+
                $(if kind == stringify!($wrapper) {
                    return Ok(Self::$wrapper(crate::carry::field(from, stringify!($inner))?));
                })*
                Err(crate::carry::wrong(from, stringify!($name)))
            }
        }
    };
}

/// Carries a struct by a dataclass of its name: to forget a field does not compile.
macro_rules! structs {
    ($($name:ident in $module:literal { $($field:ident),+ $(,)? })+) => {$(
        crate::kinds::classed!($name in $module { (stringify!($name), &[$(stringify!($field)),+]) });

        impl crate::carry::Carry for $name {
            fn give(self, py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Bound<'_, pyo3::PyAny>> {
                let Self { $($field),+ } = self;
                crate::kinds::make::<Self>(
                    py,
                    stringify!($name),
                    vec![$(crate::carry::Carry::give($field, py)?),+],
                )
            }

            fn take(from: &pyo3::Bound<'_, pyo3::PyAny>) -> Result<Self, crate::fail::Fail> {
                crate::kinds::kind_of::<Self>(from)?;
                Ok(Self { $($field: crate::carry::field(from, stringify!($field))?),+ })
            }
        }
    )+};
}

pub(crate) use {classed, kinds, shown, structs};
