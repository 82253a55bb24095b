//! A certificate authority of one broker's life, and the certificates of both sides.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::error::{Error, Result};

/// Files in PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    pub authority: PathBuf,
    /// Key, then certificate, as Kafka wants them.
    pub broker: PathBuf,
    pub client_certificate: PathBuf,
    pub client_key: PathBuf,
}

impl Certificates {
    /// Makes them in `folder`, for `localhost` and `127.0.0.1`.
    pub fn make(folder: &Path) -> Result<Self> {
        let authority = authority()?;
        let (broker, broker_key) = issue(&authority, "broker", ExtendedKeyUsagePurpose::ServerAuth)?;
        let (client, client_key) = issue(&authority, "client", ExtendedKeyUsagePurpose::ClientAuth)?;
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(Error::file(&path)).map(|()| path)
        };
        Ok(Self {
            authority: write("authority.pem", authority.pem())?,
            broker: write("broker.pem", broker_key + &broker)?,
            client_certificate: write("client.pem", client)?,
            client_key: write("client.key", client_key)?,
        })
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = parameters("test authority")?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, key()?).map_err(failed)
}

/// A certificate and its key.
fn issue(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<(String, String)> {
    let mut params = parameters(name)?;
    params.extended_key_usages = vec![purpose];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = key()?;
    let certificate = params.signed_by(&key, authority).map_err(failed)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn parameters(name: &str) -> Result<CertificateParams> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn key() -> Result<KeyPair> {
    KeyPair::generate().map_err(failed)
}

fn failed(source: rcgen::Error) -> Error {
    Error::Certificate { source }
}
