//! A group state that can be used up, and is read back from what was saved of it.
//!
//! MLS has no way back from a commit, and whether a commit wins is known only after it was processed. A clone
//! of the group for each trial costs a third of what processing does in a group of 1,000, and the group it
//! came from is seldom looked at again. So a saved group is itself what a trial works on, and
//! [`Engine::load`](crate::engine::Engine::load) brings it back for whoever still asks for it.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{BufMut, Bytes};
use mls_rs::client_builder::MlsConfig;

use super::error::provider;
use super::{Inner, MlsEngine};
use crate::engine::EngineError;

/// The last byte of a saved group state; before it the group's id with its length behind.
const SAVE_VERSION: u8 = 2;

/// One member's state of one group at one epoch. Its clones are independent.
//
// The last field must not depend on `C`: rustc 1.95, asked at every call whether `&MlsGroup<C>` can be
// unsized by its last field, otherwise never comes back from a concrete `C`.
pub struct MlsGroup<C: MlsConfig>(Mutex<Held<C>>, ());

/// Never neither of the two.
struct Held<C: MlsConfig> {
    group: Option<Inner<C>>,
    /// What [`Engine::save`](crate::engine::Engine::save) made of it.
    saved: Option<Bytes>,
}

impl<C: MlsConfig> MlsGroup<C> {
    pub(super) fn new(group: Inner<C>) -> Self {
        Self::of(Some(group), None)
    }

    fn of(group: Option<Inner<C>>, saved: Option<Bytes>) -> Self {
        Self(Mutex::new(Held { group, saved }), ())
    }

    /// Whether it need not be read back.
    #[cfg(all(test, feature = "testing"))]
    pub(super) fn is_held(&self) -> bool {
        self.held().group.is_some()
    }

    fn held(&self) -> MutexGuard<'_, Held<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: MlsConfig> Clone for MlsGroup<C> {
    fn clone(&self) -> Self {
        let held = self.held();
        Self::of(held.group.clone(), held.saved.clone())
    }
}

impl<C: MlsConfig> fmt::Debug for MlsGroup<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.held();
        let mut out = f.debug_struct("MlsGroup");
        if let Some(group) = &held.group {
            out.field("group_id", &format_args!("{}", group.group_id().escape_ascii()));
            out.field("epoch", &group.current_epoch());
        }
        out.finish_non_exhaustive()
    }
}

impl<C: MlsConfig> MlsEngine<C> {
    /// Looks at the group, read back if it was used up.
    pub(super) fn with<R>(
        &self,
        group: &MlsGroup<C>,
        look: impl FnOnce(&Inner<C>) -> Result<R, EngineError>,
    ) -> Result<R, EngineError> {
        let mut held = group.held();
        let inner = match held.group.take() {
            Some(inner) => inner,
            None => self.read_back(held.saved.as_ref())?,
        };
        look(held.group.insert(inner))
    }

    /// A clone to work on, for what leaves the group as it is.
    pub(super) fn cloned(&self, group: &MlsGroup<C>) -> Result<Inner<C>, EngineError> {
        self.with(group, |group| Ok(group.clone()))
    }

    /// The group itself to work on, if it was saved; else a clone.
    pub(super) fn take(&self, group: &MlsGroup<C>) -> Result<Inner<C>, EngineError> {
        let mut held = group.held();
        if held.saved.is_none()
            && let Some(group) = &held.group
        {
            return Ok(group.clone());
        }
        held.group.take().map_or_else(|| self.read_back(held.saved.as_ref()), Ok)
    }

    /// Saves the group, which from then on can be used up.
    pub(super) fn save_group(&self, group: &MlsGroup<C>) -> Result<Bytes, EngineError> {
        let mut held = group.held();
        if let Some(saved) = &held.saved {
            return Ok(saved.clone());
        }
        let Some(inner) = &mut held.group else { return Err(EngineError::Malformed) };
        let saved = self.write(inner)?;
        held.saved = Some(saved.clone());
        Ok(saved)
    }

    /// The inverse of [`save_group`](Self::save_group).
    pub(super) fn load_group(&self, saved: &Bytes) -> Result<MlsGroup<C>, EngineError> {
        Ok(MlsGroup::of(Some(self.read(saved)?), Some(saved.clone())))
    }

    fn write(&self, group: &mut Inner<C>) -> Result<Bytes, EngineError> {
        let _guard = self.slots();
        group.write_to_storage().map_err(provider)?;
        let mut state = self.states.take().ok_or(EngineError::Unsupported("a group of another engine"))?;
        let id_len = u16::try_from(state.id.len()).map_err(|_| EngineError::Unsupported("group id"))?;
        // Behind the state, which is long, and in its own memory.
        let mut out = std::mem::take(&mut *state.data);
        out.reserve_exact(state.id.len().saturating_add(3));
        out.put_slice(&state.id);
        out.put_u16(id_len);
        out.put_u8(SAVE_VERSION);
        Ok(out.into())
    }

    fn read(&self, saved: &Bytes) -> Result<Inner<C>, EngineError> {
        let Some((rest, &[high, low, SAVE_VERSION])) = saved.split_last_chunk::<3>() else {
            return Err(EngineError::Malformed);
        };
        let id_len = usize::from(u16::from_be_bytes([high, low]));
        let data_len = rest.len().checked_sub(id_len).ok_or(EngineError::Malformed)?;
        let (data, id) = rest.split_at(data_len);
        let _guard = self.slots();
        self.states.put(id.to_vec(), data.to_vec());
        let group = self.client.load_group(id);
        self.states.take();
        let group = group.map_err(|_| EngineError::Malformed)?;
        if group.group_id() != id {
            return Err(EngineError::Malformed);
        }
        Ok(Box::new(group))
    }

    fn read_back(&self, saved: Option<&Bytes>) -> Result<Inner<C>, EngineError> {
        self.read(saved.ok_or(EngineError::Malformed)?)
    }
}
