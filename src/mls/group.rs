//! A group state that can be used up, and is read back from what was saved of it.
//!
//! MLS has no way back from a commit, and whether a commit wins is known only after it was processed. In a group of
//! 1,000, a clone for each commit that is staged costs a third of what processing does. And the group it came from is
//! seldom looked at again. So a saved group is itself what a commit is staged on, and
//! [`Engine::load`](crate::engine::Engine::load) brings it back if it is still asked for. What fails before it has
//! changed the group gives it back. And altered copies of a member's message are known (`altered`), so that nobody else
//! can make us read many.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;

use crate::engine::EngineError;
use crate::mls::altered::Tried;
use crate::mls::client::MlsEngine;
use crate::mls::error::provider;
use crate::mls::leaves::LeafKeys;
use crate::mls::settings::Inner;

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
    /// Of the group's leaves, if known: handed on with the group.
    keys: Option<LeafKeys>,
    tried: Tried,
}

impl<C: MlsConfig> MlsGroup<C> {
    pub(super) fn new(group: Inner<C>) -> Self {
        Self::of(Held { group: Some(group), saved: None, keys: None, tried: Tried::default() })
    }

    pub(super) fn with_keys(group: Inner<C>, keys: LeafKeys) -> Self {
        Self::of(Held { group: Some(group), saved: None, keys: Some(keys), tried: Tried::default() })
    }

    fn of(held: Held<C>) -> Self {
        Self(Mutex::new(held), ())
    }

    /// Whether it need not be read back.
    #[cfg(all(test, feature = "testing"))]
    pub(super) fn is_held(&self) -> bool {
        self.held().group.is_some()
    }

    /// Whether its leaves were handed on with it.
    #[cfg(all(test, feature = "testing"))]
    pub(super) fn knows_its_leaves(&self) -> bool {
        self.held().keys.is_some()
    }

    /// What was tried on it.
    pub(super) fn tried<R>(&self, look: impl FnOnce(&mut Tried) -> R) -> R {
        look(&mut self.held().tried)
    }

    fn held(&self) -> MutexGuard<'_, Held<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: MlsConfig> Clone for MlsGroup<C> {
    fn clone(&self) -> Self {
        let held = self.held();
        Self::of(Held {
            group: held.group.clone(),
            saved: held.saved.clone(),
            keys: held.keys.clone(),
            tried: held.tried.clone(),
        })
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
    /// Looks at the group, read back if it was used up. That it cannot be is a failure, whatever it is looked at
    /// for.
    pub(super) fn with<R, E: From<EngineError>>(
        &self,
        group: &MlsGroup<C>,
        look: impl FnOnce(&Inner<C>) -> Result<R, E>,
    ) -> Result<R, E> {
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

    /// The group itself to work on, if it was saved; else a clone. With its leaves' keys.
    pub(super) fn take(&self, group: &MlsGroup<C>) -> Result<(Inner<C>, LeafKeys), EngineError> {
        let mut held = group.held();
        let (inner, keys) = match (&held.group, &held.saved) {
            (Some(group), None) => (group.clone(), held.keys.clone()),
            _ => {
                (held.group.take().map_or_else(|| self.read_back(held.saved.as_ref()), Ok)?, held.keys.take())
            }
        };
        let keys = keys.unwrap_or_else(|| LeafKeys::of::<C>(&inner));
        Ok((inner, keys))
    }

    /// Takes back what was [taken](Self::take): the group, if it is as it was, and its leaves' keys in any case.
    pub(super) fn give_back(group: &MlsGroup<C>, inner: Option<Inner<C>>, keys: LeafKeys) {
        let mut held = group.held();
        // There is one already if another call looked at it meanwhile, or if this one is a clone.
        held.group = held.group.take().or(inner);
        held.keys.get_or_insert(keys);
    }

    /// Saves the group, which from then on can be used up.
    pub(super) fn save_group(&self, group: &MlsGroup<C>) -> Result<Bytes, EngineError> {
        let mut held = group.held();
        if let Some(saved) = &held.saved {
            return Ok(saved.clone());
        }
        let Some(inner) = &mut held.group else { return Err(EngineError::State) };
        let saved = self.write(inner)?;
        // A Welcome that was only looked into is joined by now, or never: what it opened is a whole group.
        *self.welcomed() = None;
        held.saved = Some(saved.clone());
        Ok(saved)
    }

    /// The inverse of [`save_group`](Self::save_group).
    pub(super) fn load_group(&self, saved: &Bytes) -> Result<MlsGroup<C>, EngineError> {
        Ok(MlsGroup::of(Held {
            group: Some(self.read(saved)?),
            saved: Some(saved.clone()),
            keys: None,
            tried: Tried::default(),
        }))
    }

    fn write(&self, group: &mut Inner<C>) -> Result<Bytes, EngineError> {
        let _guard = self.slots();
        group.write_to_storage().map_err(provider)?;
        let state = self.states.take().ok_or(EngineError::Unsupported("a group of another engine"))?;
        // In its own memory, which is overwritten in the end, and nothing behind it: to make room would copy all of it.
        Ok(Bytes::from_owner(state))
    }

    fn read(&self, saved: &Bytes) -> Result<Inner<C>, EngineError> {
        let _guard = self.slots();
        self.states.put(saved.to_vec());
        // The state says itself which group it is of.
        let group = self.client.load_group(&[]);
        self.states.take();
        group.map(Box::new).map_err(|_| EngineError::State)
    }

    fn read_back(&self, saved: Option<&Bytes>) -> Result<Inner<C>, EngineError> {
        self.read(saved.ok_or(EngineError::State)?)
    }
}
