//! What is carried over: lists of names, from which everything else follows.

mod codes;
mod kinds;
mod structs;

use moq_mls_boundary::action::KeysNotice;
use moq_mls_boundary::config::{KeysConfig, Limits, ServiceConfig, Timers};
use moq_mls_boundary::notice::GroupParams;
use moq_mls_boundary::values::{CounterState, Credential, Object, TrackName};
use moq_mls_boundary::{Action, Config, CounterReply, Event, HttpAnswer, Member, Notice, ObjectPlace};
use pyo3::prelude::*;

use crate::kinds::classes;

/// Compares every class of the package that stands for one of the boundary.
///
/// # Errors
/// `ImportError` for one that is missing or differs.
pub(crate) fn check(py: Python<'_>) -> PyResult<()> {
    codes::check(py)?;
    let kinds = [classes::<Event>, classes::<Action>, classes::<Notice>, classes::<KeysNotice>];
    let values = [classes::<TrackName>, classes::<Object>, classes::<Credential>, classes::<CounterState>];
    let others = [classes::<GroupParams>, classes::<ObjectPlace>, classes::<Member>, classes::<Config>];
    let numbers = [classes::<Limits>, classes::<Timers>, classes::<KeysConfig>, classes::<ServiceConfig>];
    let answers = [classes::<HttpAnswer>, classes::<CounterReply>];
    let mut all = kinds.into_iter().chain(values).chain(others).chain(numbers).chain(answers);
    all.try_for_each(|classes| classes(py).map(|_| ()))
}
