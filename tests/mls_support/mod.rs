//! Engines over several providers, and the steps every test takes.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::identity::{Credential, SigningIdentity};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use mls_rs_crypto_rustcrypto::x509::{X509Reader, X509Validator};
use mls_rs_identity_x509::{
    CertificateChain, DerCertificate, SubjectIdentityExtractor, X509IdentityProvider,
};
use moq_mls::Timestamp;
use moq_mls::engine::{CommitOutput, ContextParams, Engine, OwnKeyPackage};
use moq_mls::mls::{MlsEngine, MlsGroup, Options};
use moq_mls::tracks::{GroupName, SenderId};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

pub const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

/// 18 May 2033: far from any wall clock, so a call that reads one fails.
pub const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

pub fn hours(n: u64) -> Duration {
    Duration::from_secs(3600 * n)
}

pub fn group_name() -> GroupName {
    GroupName::try_from("call-7").unwrap()
}

pub fn basic_client<P: CryptoProvider + Clone>(crypto: &P, name: &str) -> Client<impl MlsConfig + use<P>> {
    let suite = crypto.cipher_suite_provider(SUITE).unwrap();
    let (secret, public) = suite.signature_key_generate().unwrap();
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(BasicIdentityProvider::new())
        .signing_identity(SigningIdentity::new(credential, public), secret, SUITE)
        .build()
}

pub fn basic<P>(crypto: &P, name: &str) -> MlsEngine<impl MlsConfig + use<P>>
where
    P: CryptoProvider + Clone + 'static,
    P::CipherSuiteProvider: 'static,
{
    MlsEngine::new(&basic_client(crypto, name), crypto).unwrap()
}

pub fn basic_with<P>(crypto: &P, name: &str, options: Options) -> MlsEngine<impl MlsConfig + use<P>>
where
    P: CryptoProvider + Clone + 'static,
    P::CipherSuiteProvider: 'static,
{
    MlsEngine::with_options(&basic_client(crypto, name), crypto, options).unwrap()
}

/// A small certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: DerCertificate,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "the authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let der = DerCertificate::new(params.self_signed(&key).unwrap().der().to_vec());
        Self { issuer: Issuer::new(params, key), der }
    }

    /// A client whose certificate is good from 1 January 2033 to the first of `until`, 2033.
    pub fn client<P: CryptoProvider + Clone>(
        &self,
        crypto: &P,
        name: &str,
        until: u8,
    ) -> Client<impl MlsConfig + use<P>> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2033, 1, 1);
        params.not_after = rcgen::date_time_ymd(2033, until, 1);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let chain = CertificateChain::from(vec![DerCertificate::new(leaf.der().to_vec())]);

        // PKCS #8 has the seed at a fixed place; mls-rs wants seed and public key.
        let public = key.public_key_raw().to_vec();
        let secret = [&key.serialize_der()[16..48], &public].concat();
        let validator = X509Validator::new(vec![self.der.clone()]).unwrap();
        let identities =
            X509IdentityProvider::new(SubjectIdentityExtractor::new(0, X509Reader::new()), validator);
        Client::builder()
            .crypto_provider(crypto.clone())
            .identity_provider(identities)
            .signing_identity(
                SigningIdentity::new(Credential::X509(chain), public.into()),
                secret.into(),
                SUITE,
            )
            .build()
    }

    pub fn engine<P>(&self, crypto: &P, name: &str, until: u8) -> MlsEngine<impl MlsConfig + use<P>>
    where
        P: CryptoProvider + Clone + 'static,
        P::CipherSuiteProvider: 'static,
    {
        MlsEngine::new(&self.client(crypto, name, until), crypto).unwrap()
    }
}

/// A participant: its engine, its group and the last KeyPackage it made.
pub struct Party<C: MlsConfig> {
    pub engine: MlsEngine<C>,
    pub group: Option<MlsGroup<C>>,
    pub key: Option<OwnKeyPackage>,
    pub sequence: u64,
}

impl<C: MlsConfig> Party<C> {
    pub fn new(engine: MlsEngine<C>) -> Self {
        Self { engine, group: None, key: None, sequence: 0 }
    }

    pub fn id(&self) -> SenderId {
        self.engine.sender_id().clone()
    }

    pub fn group(&self) -> &MlsGroup<C> {
        self.group.as_ref().unwrap()
    }

    pub fn create(&mut self, params: &ContextParams) {
        self.group = Some(self.engine.create(NOW, &group_name(), params, 0).unwrap());
    }

    pub fn key_package(&mut self) -> Bytes {
        self.sequence += 1;
        let key = self.engine.generate_key_package(NOW, &group_name(), self.sequence).unwrap();
        let message = key.message.clone();
        self.key = Some(key);
        message
    }

    pub fn create_commit(&self, adds: &[Bytes], removes: &[u32]) -> CommitOutput<MlsGroup<C>> {
        self.engine.create_commit(self.group(), NOW, adds, removes).unwrap().unwrap()
    }

    pub fn adopt(&mut self, built: &CommitOutput<MlsGroup<C>>) {
        self.group = Some(built.next.group.clone());
    }

    pub fn follow(&mut self, commit: &Bytes) {
        let staged = self.engine.stage_commit(self.group(), NOW, commit).unwrap().unwrap();
        self.group = staged.next.map(|n| n.group);
    }

    pub fn join(&mut self, welcomes: &[(SenderId, Bytes)]) {
        let id = self.id();
        let (_, welcome) = welcomes.iter().find(|(to, _)| *to == id).unwrap();
        let key = self.key.take().unwrap();
        self.group = Some(self.engine.join(NOW, welcome, &key, None).unwrap().unwrap());
    }

    pub fn leaf(&self) -> u32 {
        self.engine.view(self.group()).unwrap().leaf_index
    }

    pub fn context_hash(&self) -> [u8; 32] {
        self.engine.view(self.group()).unwrap().context_hash
    }

    pub fn exported(&self) -> Vec<u8> {
        self.engine.export_secret(self.group(), b"moq-mls test", b"", 32).unwrap().as_bytes().to_vec()
    }
}

/// A group of `parties`, the first of them its creator.
pub fn assemble<C: MlsConfig>(parties: &mut [Party<C>]) {
    let (first, rest) = parties.split_first_mut().unwrap();
    first.create(&ContextParams::default());
    let adds: Vec<Bytes> = rest.iter_mut().map(Party::key_package).collect();
    let built = first.create_commit(&adds, &[]);
    first.adopt(&built);
    rest.iter_mut().for_each(|p| p.join(&built.welcomes));
}
