//! TLS towards collectors: trusted authorities, and client certificates.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};

use crate::config::{self, Tls};

/// What keeps TLS from being set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// No such file, or none that we may read.
    #[error("cannot read the {what} `{}`", path.display())]
    Unreadable { what: TlsFile, path: PathBuf, source: std::io::Error },
    /// The file holds something else.
    #[error("no {} in the {what} `{}`: expected `{}`, found {found}", what.label().1, path.display(), what.label().0)]
    Other { what: TlsFile, path: PathBuf, found: String },
    /// The file holds what it should, but nothing that TLS can use.
    #[error("cannot use the {what} `{}`", path.display())]
    Unusable { what: TlsFile, path: PathBuf, source: rustls::Error },
    /// One cannot be used without the other.
    #[error("the {given} `{}` is of no use without the {missing}", path.display())]
    Half { given: TlsFile, path: PathBuf, missing: TlsFile },
    /// They are of different pairs.
    #[error("the {} `{}` does not fit the {} `{}`", TlsFile::Key, key.display(), TlsFile::Certificate, certificate.display())]
    Mismatch { key: PathBuf, certificate: PathBuf },
    /// Nothing that a user could change.
    #[error("cannot set up TLS")]
    Rustls(#[from] rustls::Error),
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsFile {
    Authority,
    Certificate,
    Key,
}

impl std::fmt::Display for TlsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TlsFile::Authority => "CA certificate",
            TlsFile::Certificate => "client certificate",
            TlsFile::Key => "client key",
        })
    }
}

impl TlsFile {
    /// The line that a file begins with, and what it holds then.
    fn label(self) -> (&'static str, &'static str) {
        match self {
            TlsFile::Authority | TlsFile::Certificate => ("-----BEGIN CERTIFICATE-----", "certificate"),
            TlsFile::Key => ("-----BEGIN PRIVATE KEY-----", "private key"),
        }
    }

    fn setting(self) -> config::ExporterSetting {
        match self {
            TlsFile::Authority => config::ExporterSetting::Certificate,
            TlsFile::Certificate => config::ExporterSetting::ClientCertificate,
            TlsFile::Key => config::ExporterSetting::ClientKey,
        }
    }
}

impl TlsError {
    /// What to do about it, where the settings are written.
    pub(crate) fn hint(&self, origin: &config::SettingOrigin) -> Option<String> {
        let name = |what: TlsFile| origin.name(what.setting());
        Some(match self {
            TlsError::Other { what: TlsFile::Key, found, .. } if found.contains("ENCRYPTED") => {
                "decrypt the key with `openssl pkey`: the launcher cannot prompt for its password".into()
            }
            TlsError::Unreadable { what, .. } | TlsError::Other { what, .. } | TlsError::Unusable { what, .. } => {
                format!("check {}", name(*what))
            }
            TlsError::Half { missing, .. } => format!("set {}, too", name(*missing)),
            TlsError::Mismatch { .. } => format!("check {} and {}", name(TlsFile::Certificate), name(TlsFile::Key)),
            TlsError::Rustls(_) => return None,
        })
    }
}

/// Reads the files.
pub(crate) fn client(tls: &Tls) -> Result<ClientConfig, TlsError> {
    let roots = match &tls.certificate {
        Some(path) => Arc::new(authorities(path)?),
        None => of_the_system(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let half = |given, path: &PathBuf, missing| TlsError::Half { given, path: path.clone(), missing };
    match (&tls.client_certificate, &tls.client_key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(certificate), None) => Err(half(TlsFile::Certificate, certificate, TlsFile::Key)),
        (None, Some(key)) => Err(half(TlsFile::Key, key, TlsFile::Certificate)),
        (Some(certificate), Some(key)) => {
            let chain = certificates(TlsFile::Certificate, certificate)?;
            let pem = read(TlsFile::Key, key)?;
            let secret = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| other(TlsFile::Key, key, &pem))?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    TlsError::Mismatch { key: key.clone(), certificate: certificate.clone() }
                }
                source @ rustls::Error::InvalidCertificate(_) => {
                    TlsError::Unusable { what: TlsFile::Certificate, path: certificate.clone(), source }
                }
                source => TlsError::Unusable { what: TlsFile::Key, path: key.clone(), source },
            })
        }
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(TlsFile::Authority, path)? {
        roots.add(certificate).map_err(|source| TlsError::Unusable {
            what: TlsFile::Authority,
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(roots)
}

/// The system's authorities, which take long to read and do not change.
fn of_the_system() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        // Certificates that cannot be read are skipped; if none can, the handshake fails.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(load))
}

fn certificates(what: TlsFile, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(what, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| other(what, path, &pem))
}

fn read(what: TlsFile, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs_err::read(path).map_err(|error| {
        let source = std::io::Error::from(error.kind());
        TlsError::Unreadable { what, path: path.to_owned(), source }
    })
}

/// Names the content of a file by the labels in its PEM, since anything else in it may be secret.
fn other(what: TlsFile, path: &Path, content: &[u8]) -> TlsError {
    let text = String::from_utf8_lossy(content);
    let mut labels: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .filter(|label| label.len() < 30)
        .collect();
    labels.dedup();
    let found = if content.is_empty() {
        "an empty file".to_owned()
    } else if labels.iter().any(|label| what.label().0.contains(&format!("BEGIN {label}-"))) {
        "damaged PEM".to_owned()
    } else if labels.is_empty() {
        "no PEM".to_owned()
    } else {
        labels.iter().map(|label| format!("`-----BEGIN {label}-----`")).collect::<Vec<_>>().join(", ")
    };
    TlsError::Other { what, path: path.to_owned(), found }
}
