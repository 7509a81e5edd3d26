//! Certificates made at start, for a relay or a counter service that was given none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::counter::sha256;

/// The file names in a folder of certificates.
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";
/// Until when a certificate for web pages is good, in seconds since 1970; beside the certificate.
const WEB_UNTIL: &str = "web-until";
/// Browsers take a certificate by its hash only if it is good for 14 days at most.
const WEB_VALIDITY: Duration = Duration::from_secs(13 * 24 * 3600);
/// How long a certificate for web pages must be good still, or another one is made.
const WEB_LEFT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate chain; self-signed ones are also what clients trust.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Files {
    /// The certificate in `folder`; makes a self-signed one for this host and `names` if there is none. One that was made
    /// [for web pages](Self::for_web) is made anew in time.
    pub fn in_folder(folder: &Path, names: &[String]) -> Result<Self> {
        let files = Self { certificate: folder.join(CERTIFICATE), key: folder.join(KEY) };
        if folder.join(WEB_UNTIL).exists() {
            return Self::for_web(folder, names);
        }
        if !files.certificate.exists() || !files.key.exists() {
            files.make(folder, names, None)?;
        }
        Ok(files)
    }

    /// As [`in_folder`](Self::in_folder), but of a certificate that a browser takes by its hash (`serverCertificateHashes` of
    /// WebTransport): by P-256, and good for 13 days. It is made anew when half of that is over.
    ///
    /// # Errors
    /// If there is another certificate, which may be another program's.
    pub fn for_web(folder: &Path, names: &[String]) -> Result<Self> {
        let files = Self { certificate: folder.join(CERTIFICATE), key: folder.join(KEY) };
        let until = std::fs::read_to_string(folder.join(WEB_UNTIL)).ok();
        anyhow::ensure!(
            until.is_some() || !files.certificate.exists() && !files.key.exists(),
            "the certificate in {} is not one for web pages: name another folder (--tls)",
            folder.display()
        );
        let until = until.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        if until.is_none_or(|until| until < now + WEB_LEFT) || !files.key.exists() {
            let from = now.saturating_sub(Duration::from_secs(3600));
            let until = from + WEB_VALIDITY;
            files.make(folder, names, Some((from, until)))?;
            std::fs::write(folder.join(WEB_UNTIL), format!("{}\n", until.as_secs()))?;
        }
        Ok(files)
    }

    /// `validity` is in times since 1970.
    fn make(&self, folder: &Path, names: &[String], validity: Option<(Duration, Duration)>) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut params =
            rcgen::CertificateParams::new([vec!["localhost".to_owned()], names.to_vec()].concat())?;
        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            params.subject_alt_names.push(rcgen::SanType::IpAddress(ip));
        }
        params.distinguished_name.push(rcgen::DnType::CommonName, "moq-mls live");
        if let Some((from, until)) = validity {
            let epoch = rcgen::date_time_ymd(1970, 1, 1);
            (params.not_before, params.not_after) = (epoch + from, epoch + until);
        }
        let key = rcgen::KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        moq_mls_tokio::write_private(&self.key, &[key.serialize_pem()])?;
        std::fs::write(&self.certificate, certificate.pem())?;
        Ok(())
    }

    /// The SHA-256 hash of the certificate's DER.
    pub fn hash(&self) -> Result<[u8; 32]> {
        let chain = self.chain()?;
        Ok(sha256(chain.first().context("no certificate")?))
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
    let found: Vec<_> =
        pem.collect::<Result<_, _>>().with_context(|| format!("{} is not PEM", path.display()))?;
    anyhow::ensure!(!found.is_empty(), "{} holds no certificate (PEM)", path.display());
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A relay that restarts shows the same certificate, until a browser would soon refuse it.
    #[test]
    fn certificate_for_web_pages_is_kept_for_a_week_and_then_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let hash = || Files::for_web(folder.path(), &[]).unwrap().hash().unwrap();
        let first = hash();
        assert_eq!(first, hash());
        let until = folder.path().join(WEB_UNTIL);
        let seconds: u64 = std::fs::read_to_string(&until).unwrap().trim().parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!((now + 12 * 24 * 3600..now + 13 * 24 * 3600).contains(&seconds), "{seconds}");
        std::fs::write(&until, format!("{}", now + 6 * 24 * 3600)).unwrap();
        // Also by a relay that is started without the option.
        let second = Files::in_folder(folder.path(), &[]).unwrap().hash().unwrap();
        assert_ne!(first, second);
        assert_eq!(second, hash());
    }

    #[test]
    fn certificate_of_another_kind_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = Files::in_folder(folder.path(), &[]).unwrap().hash().unwrap();
        let error = Files::for_web(folder.path(), &[]).unwrap_err();
        assert!(error.to_string().contains("name another folder"), "{error}");
        assert_eq!(Files::in_folder(folder.path(), &[]).unwrap().hash().unwrap(), theirs);
    }
}
