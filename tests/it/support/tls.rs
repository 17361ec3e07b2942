//! Authorities and certificates made on the spot, and a client that speaks TLS.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    DnValue, IsCa, KeyPair, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::http::{Answer, encode, try_send_by};

/// Signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub struct Holder {
    pub certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut parameters = named(name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, key()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Signs what these say.
    pub fn sign(&self, parameters: &CertificateParams) -> Holder {
        let key = key();
        Holder { certificate: parameters.signed_by(&key, &self.0).unwrap(), key }
    }

    /// The certificate of a server at 127.0.0.1.
    pub fn server(&self) -> Holder {
        let mut parameters = named("server");
        let address = "127.0.0.1".parse().unwrap();
        parameters.subject_alt_names = vec![SanType::IpAddress(address)];
        self.sign(&parameters)
    }
}

impl Holder {
    /// Signs for itself.
    pub fn self_signed(parameters: &CertificateParams) -> Self {
        let key = key();
        Self { certificate: parameters.self_signed(&key).unwrap(), key }
    }

    pub fn der(&self) -> &CertificateDer<'static> {
        self.certificate.der()
    }

    /// Writes `NAME.crt` and `NAME.key` into the folder.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.crt")), self.certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), self.key.serialize_pem()).unwrap();
    }

    /// Its key as a JWK, with or without the certificate.
    pub fn jwk(&self, with_certificate: bool) -> serde_json::Value {
        let point = self.key.public_key_raw();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let mut jwk = serde_json::json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        if with_certificate {
            jwk["x5c"] = serde_json::json!([STANDARD.encode(self.der())]);
        }
        jwk
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

/// What a certificate of this common name says, with `O=Example`.
pub fn named(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    let organization = DnValue::PrintableString("Example".try_into().unwrap());
    subject.push(DnType::OrganizationName, organization);
    subject.push(DnType::CommonName, name);
    parameters.distinguished_name = subject;
    parameters.subject_alt_names = Vec::new();
    parameters
}

/// The same, over since the year 2000.
pub fn expired(name: &str) -> CertificateParams {
    let mut parameters = named(name);
    parameters.not_before = date_time_ymd(1999, 1, 1);
    parameters.not_after = date_time_ymd(2000, 1, 1);
    parameters
}

fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

/// Settings of a client that trusts the authority and shows the certificate.
pub fn client_config(trusted: &Authority, holder: Option<&Holder>) -> ClientConfig {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.add(trusted.0.der().clone()).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots);
    match holder {
        None => builder.with_no_client_auth(),
        Some(holder) => {
            builder.with_client_auth_cert(vec![holder.der().clone()], holder.private()).unwrap()
        }
    }
}

/// A client with these settings; every one connects anew.
pub fn client<B>(
    config: ClientConfig,
) -> Client<impl hyper_util::client::legacy::connect::Connect + Clone + Send + Sync + 'static, B>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Pushes a form with these fields; the error is a handshake that failed.
pub async fn push(
    url: &str,
    config: ClientConfig,
    form: &[(&str, &str)],
    fields: &[(&str, &str)],
) -> Result<Answer, Error> {
    let mut request = Request::post(format!("{url}/par"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request: Request<Bytes> = request.body(encode(form).into()).unwrap();
    try_send_by(client(config), request).await
}
