//! Certificates made at start, for a relay or a counter service that was given none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The file names in a folder of certificates.
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate chain; self-signed ones are also what clients trust.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Files {
    /// The certificate in `folder`; makes a self-signed one for this host and `names` if there is none.
    pub fn in_folder(folder: &Path, names: &[String]) -> Result<Self> {
        let files = Self { certificate: folder.join(CERTIFICATE), key: folder.join(KEY) };
        if files.certificate.exists() && files.key.exists() {
            return Ok(files);
        }
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut params =
            rcgen::CertificateParams::new([vec!["localhost".to_owned()], names.to_vec()].concat())?;
        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            params.subject_alt_names.push(rcgen::SanType::IpAddress(ip));
        }
        params.distinguished_name.push(rcgen::DnType::CommonName, "moq-mls live");
        let key = rcgen::KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        moq_mls_tokio::write_private(&files.key, &[key.serialize_pem()])?;
        std::fs::write(&files.certificate, certificate.pem())?;
        Ok(files)
    }

    /// The chain as DER.
    pub fn chain(&self) -> Result<Vec<CertificateDer<'static>>> {
        roots(&self.certificate)
    }

    /// The configuration of a server over TCP (HTTPS).
    pub fn server_config(&self) -> Result<rustls::ServerConfig> {
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .with_context(|| format!("no private key in {}", self.key.display()))?;
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain()?, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The certificates of a PEM file, as DER.
pub fn roots(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = CertificateDer::pem_file_iter(path)
        .with_context(|| format!("no certificate at {}: is the relay running?", path.display()))?;
    pem.collect::<Result<_, _>>().with_context(|| format!("{} is not PEM", path.display()))
}
