//! Whom the client trusts, and the certificate it shows: PEM files.

use std::{fmt, fs, path::Path};

use rustls::{
    InconsistentKeys,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::config::OpenSearchConfig;

/// A file of certificates or keys that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting} {file}: {reason}")]
pub struct CertificateError {
    /// What the file is for.
    setting: &'static str,
    file: String,
    reason: String,
}

/// What is said about TLS.
pub(super) fn tls(config: &OpenSearchConfig) -> Result<TlsConfig, CertificateError> {
    let mut tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
    if let Some(file) = &config.ca_file {
        tls = tls.root_certs(RootCerts::new_with_certs(&certificates("CA file", file)?));
    }
    if let Some((certificate, key)) = &config.client {
        let chain = certificates("client-cert", certificate)?;
        let private = private_key(key)?;
        belong_together(&chain, &private).map_err(|e| match e {
            rustls::Error::General(_) => error(
                "client-key",
                key,
                &"no key of a kind that is known (RSA, ECDSA P-256 or P-384, Ed25519)",
            ),
            e => error("client-key", key, &e),
        })?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, private)));
    }
    Ok(tls.disable_verification(config.insecure).build())
}

fn certificates(
    setting: &'static str,
    file: &Path,
) -> Result<Vec<Certificate<'static>>, CertificateError> {
    let all = items(setting, file)?.into_iter();
    let certificates: Vec<_> = all
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(error(setting, file, &"no certificate in it"));
    }
    for certificate in &certificates {
        ParsedCertificate::try_from(&CertificateDer::from(certificate.der()))
            .map_err(|_| error(setting, file, &"a certificate in it is broken"))?;
    }
    Ok(certificates)
}

fn private_key(file: &Path) -> Result<PrivateKey<'static>, CertificateError> {
    let found = items("client-key", file)?.into_iter().find_map(|item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    });
    found.ok_or_else(|| error("client-key", file, &"no private key without a password in it"))
}

/// ureq panics where they do not.
fn belong_together(
    chain: &[Certificate<'static>],
    key: &PrivateKey<'static>,
) -> Result<(), rustls::Error> {
    let der = PrivateKeyDer::try_from(key.der().to_owned());
    let der = der.map_err(|reason| rustls::Error::General(reason.into()))?;
    let key = default_provider().key_provider.load_private_key(der)?;
    let chain = chain.iter().map(|one| CertificateDer::from(one.der()).into_owned()).collect();
    match CertifiedKey::new(chain, key).keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        result => result,
    }
}

fn items(setting: &'static str, file: &Path) -> Result<Vec<PemItem<'static>>, CertificateError> {
    let pem = fs::read(file).map_err(|e| error(setting, file, &e))?;
    let broken =
        "it can't be read as PEM: it is cut off, of another format, or a key with a password";
    parse_pem(&pem).collect::<Result<_, _>>().map_err(|_| error(setting, file, &broken))
}

fn error(setting: &'static str, file: &Path, reason: &dyn fmt::Display) -> CertificateError {
    CertificateError { setting, file: file.display().to_string(), reason: reason.to_string() }
}
