//! What a group weighs, asked of the engine once per epoch: every KeyPackage that comes is measured against it.

use std::sync::OnceLock;

use crate::engine::{Engine, EngineError, Survey};
use crate::participant::aside::Aside;

/// The survey of a group alone, once it was made. It follows from the group, so that no two of one epoch differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Measured(Aside<OnceLock<Survey>>);

impl Measured {
    /// Returns the survey of `group`, which must be the same each time.
    pub(crate) fn of<E: Engine>(&self, engine: &E, group: &E::Group) -> Result<&Survey, EngineError> {
        if let Some(survey) = self.0.get() {
            return Ok(survey);
        }
        let survey = engine.survey(group, &[], false)?;
        Ok(self.0.get_or_init(|| survey))
    }
}
