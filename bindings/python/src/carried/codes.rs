//! Numbers: each an `IntEnum` with the same names.

use moq_mls_boundary::Status;
use moq_mls_boundary::codes::*;
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

use crate::carry::Carry;
use crate::fail::Fail;

/// Returns a variant's name as Python writes it: `NotAMember` is `NOT_A_MEMBER`.
fn shown(variant: &impl std::fmt::Debug) -> String {
    let mut name = String::new();
    for letter in format!("{variant:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

macro_rules! codes {
    ($($name:ident),+ $(,)?) => {
        $(impl Carry for $name {
            fn give(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                py.import("moq_mls.codes")?.getattr(stringify!($name))?.call1((self as u32,))
            }

            fn take(from: &Bound<'_, PyAny>) -> Result<Self, Fail> {
                Ok(Self::try_from(u32::take(from)?)?)
            }
        })+

        /// Compares the numbers and names of the package to the boundary's.
        ///
        /// # Errors
        /// `ImportError` for the first difference.
        pub(super) fn check(py: Python<'_>) -> PyResult<()> {
            let module = py.import("moq_mls.codes")?;
            $({
                let ours: Vec<(String, u32)> =
                    $name::ALL.iter().map(|variant| (shown(variant), *variant as u32)).collect();
                let missing = |_| PyImportError::new_err(concat!("moq_mls.codes.", stringify!($name), " is missing"));
                let members = module.getattr(stringify!($name)).map_err(missing)?.getattr("__members__")?;
                let found: Vec<(String, u32)> = members
                    .call_method0("items")?
                    .try_iter()?
                    .map(|item| item?.extract())
                    .collect::<PyResult<_>>()?;
                if found != ours {
                    let why = format!("moq_mls.codes.{} differs: {found:?}, not {ours:?}", stringify!($name));
                    return Err(PyImportError::new_err(why));
                }
            })+
            Ok(())
        }
    };
}

codes!(
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
    Status,
);
