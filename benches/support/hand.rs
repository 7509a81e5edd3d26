//! mls-rs by hand: what the benches hold the participant against.
//!
//! Leaves and groups have the extensions that ours have, so that both ways work on the same tree.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::hint::black_box;

use mls_rs::client_builder::{MlsConfig, PaddingMode};
use mls_rs::extension::ExtensionType;
use mls_rs::identity::basic::BasicIdentityProvider;
use mls_rs::mls_rs_codec::MlsEncode;
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::storage_provider::KeyPackageData;
use mls_rs::storage_provider::in_memory::{InMemoryGroupStateStorage, InMemoryKeyPackageStorage};
use mls_rs::{Client, Extension, ExtensionList, Group, KeyPackageStorage};
use moq_mls::Timestamp;
use moq_mls::codec::leaf_origin::{self, LeafOrigin};
use moq_mls::mls::{LEAF_ORIGIN_EXTENSION, PARAMS_EXTENSION};
use moq_mls::testing::seeded_crypto::sha256;

use crate::support::{Provider, SUITE, group, identity};

pub const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

pub fn time() -> mls_rs::time::MlsTime {
    mls_rs::time::MlsTime::from(NOW.as_secs())
}

/// The private keys of a KeyPackage are made durable before it is published: as bytes, like a group's state.
#[derive(Clone, Debug, Default)]
struct KeyPackages(InMemoryKeyPackageStorage);

impl KeyPackageStorage for KeyPackages {
    type Error = std::convert::Infallible;

    fn delete(&mut self, id: &[u8]) -> Result<(), Self::Error> {
        self.0.delete(id);
        Ok(())
    }

    fn insert(&mut self, id: Vec<u8>, package: KeyPackageData) -> Result<(), Self::Error> {
        black_box(package.mls_encode_to_vec().unwrap());
        self.0.insert(id, package);
        Ok(())
    }

    fn get(&self, id: &[u8]) -> Result<Option<KeyPackageData>, Self::Error> {
        Ok(self.0.get(id))
    }
}

pub fn client<P: Provider>(name: &str) -> (Client<impl MlsConfig + use<P>>, InMemoryGroupStateStorage) {
    let (identity, secret) = identity::<P>(name);
    let storage = InMemoryGroupStateStorage::new();
    let rules = DefaultMlsRules::new()
        .with_commit_options(
            CommitOptions::new()
                .with_path_required(true)
                .with_ratchet_tree_extension(true)
                .with_single_welcome_message(false)
                .with_allow_external_commit(false),
        )
        .with_encryption_options(EncryptionOptions::new(true, PaddingMode::StepFunction));
    let client = Client::builder()
        .crypto_provider(P::default())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(identity, secret, SUITE)
        .key_package_repo(KeyPackages::default())
        .group_state_storage(storage.clone())
        .mls_rules(rules)
        .extension_type(ExtensionType::new(LEAF_ORIGIN_EXTENSION))
        .extension_type(ExtensionType::new(PARAMS_EXTENSION))
        .build();
    (client, storage)
}

fn extension(kind: u16, data: Vec<u8>) -> ExtensionList {
    let mut list = ExtensionList::new();
    list.set(Extension::new(ExtensionType::new(kind), data));
    list
}

fn origin() -> ExtensionList {
    let origin = LeafOrigin::new(0, &sha256(&group().root()));
    extension(LEAF_ORIGIN_EXTENSION, leaf_origin::encode(&origin))
}

pub fn key_package<C: MlsConfig>(client: &Client<C>) -> Vec<u8> {
    let message = client.generate_key_package_message(ExtensionList::new(), origin(), Some(time())).unwrap();
    message.to_bytes().unwrap()
}

pub fn create<C: MlsConfig>(client: &Client<C>) -> Group<C> {
    let id = group().as_bytes().to_vec();
    let params = extension(PARAMS_EXTENSION, vec![0; 4]);
    client.create_group_with_id(id, params, origin(), Some(time())).unwrap()
}
