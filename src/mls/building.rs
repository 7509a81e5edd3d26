//! Own commits, and the KeyPackages of others in them.

use std::collections::BTreeMap;

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::error::MlsError;
use mls_rs::extension::ExtensionType;
use mls_rs::group::LeafNodeSource;
use mls_rs::time::MlsTime;
use mls_rs::{Extension, ExtensionList};

use crate::codec::tree_object;
use crate::engine::{CommitOutput, EngineError, RatchetTreeObject, Rejection};
use crate::mls::client::MlsEngine;
use crate::mls::error::{Stop, invalid, provider, unless_identity};
use crate::mls::group::MlsGroup;
use crate::mls::message::{leaf_of, mls_time, parse};
use crate::mls::settings::{SPENT_EXTENSION, TREE_EXTENSION};
use crate::time::Timestamp;

impl<C: MlsConfig> MlsEngine<C> {
    /// Builds one commit and applies it on a group taken; with `apart`, its Welcomes come without the tree.
    pub(super) fn commit(
        &self,
        group: &MlsGroup<C>,
        now: Timestamp,
        adds: &[Bytes],
        removes: &[u32],
        apart: Option<&RatchetTreeObject>,
        spent: Option<u64>,
    ) -> Result<CommitOutput<MlsGroup<C>>, Stop> {
        let (mut next, mut kept) = self.take(group)?;
        removes.iter().for_each(|leaf| kept.remove(*leaf));
        let mut recipients = BTreeMap::new();
        let mut builder = next.commit_builder().commit_time(commit_time(now, adds)?);
        for leaf in removes {
            builder = builder.remove_member(*leaf).map_err(invalid)?;
        }
        for bytes in adds {
            let message = parse(bytes)?;
            let identity = message.as_key_package().ok_or(Rejection::Malformed)?.signing_identity();
            let sender = self.fingerprint(identity)?;
            recipients.insert(self.primitives.key_package_ref(&message)?, sender);
            builder = builder.add_member(message).map_err(invalid)?;
        }
        let mut attached = ExtensionList::new();
        if let Some(tree) = apart {
            attached.set(Extension::new(ExtensionType::new(TREE_EXTENSION), tree_object::encode(tree)));
        }
        if let Some(spent) = spent {
            attached.set(Extension::new(ExtensionType::new(SPENT_EXTENSION), spent.to_be_bytes().to_vec()));
        }
        if !attached.is_empty() {
            builder = builder.set_group_info_ext(attached);
        }
        let (output, secrets) = {
            let _guard = self.slots();
            self.rules.set_apart(apart.is_some());
            let built = builder.build_detached();
            self.rules.set_apart(false);
            built.map_err(|error| self.why_not_built(now, error))?
        };
        // Applied on the very group it was built on: the secrets fit no other state, and mls-rs
        // would not notice.
        next.apply_detached_commit(secrets).map_err(provider)?;

        let mut welcomes = Vec::with_capacity(output.welcome_messages.len());
        for welcome in &output.welcome_messages {
            let reference = match welcome.welcome_key_package_references().as_slice() {
                [one] => one.to_vec(),
                _ => return Err(EngineError::Unsupported("a Welcome for more than one").into()),
            };
            let recipient = recipients
                .remove(&reference)
                .ok_or(EngineError::Unsupported("a Welcome for nobody we added"))?;
            welcomes.push((recipient, welcome.to_bytes().map_err(provider)?.into()));
        }
        if !recipients.is_empty() {
            return Err(EngineError::Unsupported("an add without a Welcome").into());
        }
        let tree = match (apart, &output.ratchet_tree) {
            (Some(apart), Some(tree)) => {
                let tree = tree.to_bytes().map_err(provider)?;
                Some(self.primitives.seal(&apart.key, &tree)?.into())
            }
            _ => None,
        };
        let added = self.added(&next, &kept, adds.len(), None)?;
        let committer = next.current_member_index();
        Ok(CommitOutput {
            commit: output.commit_message.to_bytes().map_err(provider)?.into(),
            welcomes,
            tree,
            next: self.next(next, kept, committer, &added)?,
            added,
        })
    }

    /// Says whose fault it is that a commit cannot be built. That nothing can be sealed to a key, a joiner's or a
    /// member's, mls-rs reports as it reports a provider that fails: a commit with no key of others tells them apart.
    pub(super) fn why_not_built(&self, now: Timestamp, error: MlsError) -> Stop {
        if !matches!(error, MlsError::CryptoProviderError(_)) {
            return invalid(error);
        }
        let alone = self.scratch(now).and_then(|mut group| {
            let built = group.commit_builder().commit_time(mls_time(now)).build_detached();
            built.map(|_| ()).map_err(unless_identity)
        });
        match alone {
            Err(Stop::Failed(_)) => provider(error).into(),
            Ok(()) | Err(Stop::Rejected(_)) => invalid(error),
        }
    }
}

/// The first moment from `now` on at which the lifetimes of all KeyPackages have begun.
fn commit_time(now: Timestamp, adds: &[Bytes]) -> Result<MlsTime, Rejection> {
    adds.iter().try_fold(mls_time(now), |at, add| {
        let leaf = leaf_of(add)?;
        Ok(match leaf.leaf_node_source {
            LeafNodeSource::KeyPackage(lifetime) => at.max(lifetime.not_before),
            _ => at,
        })
    })
}
