//! The JOSE header of a JWE (RFC 7516 §4), as far as decrypting needs it.

use serde_json::{Map, Value};

use super::super::json;
use super::agreement::{Curve, EphemeralKey};
use super::{ContentEncryption, JweError, KeyManagement, Policy};

/// Header members; extensions that are not understood are passed over (RFC 7516 §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// How the key came.
    pub alg: KeyManagement,
    /// How the content is encrypted.
    pub enc: ContentEncryption,
    /// What the content is: `JWT`, `oauth-authz-req+jwt`; often absent.
    pub cty: Option<String>,
    /// Which of our keys is meant.
    pub kid: Option<String>,
    /// What key agreement needs; nothing for RSA.
    pub(super) agreement: Option<AgreementHeader>,
}

/// The members of RFC 7518 §4.6.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgreementHeader {
    /// `epk`: the sender's key, for this token alone.
    pub(super) ephemeral: EphemeralKey,
    /// `apu`, decoded: who the sender says it is.
    pub(super) party_u: Vec<u8>,
    /// `apv`, decoded.
    pub(super) party_v: Vec<u8>,
}

impl Header {
    /// Reads the protected header's JSON text.
    pub(super) fn read(text: &[u8], policy: &Policy) -> Result<Self, JweError> {
        let members = json::object(text).map_err(|_| JweError::Malformed)?;
        if members.contains_key("crit") || members.contains_key("zip") {
            return Err(JweError::UnsupportedExtension);
        }
        let alg = string(&members, "alg")?.ok_or(JweError::Malformed)?;
        let alg = KeyManagement::parse(alg).filter(|alg| policy.algs.contains(alg));
        let enc = string(&members, "enc")?.ok_or(JweError::Malformed)?;
        let enc = ContentEncryption::parse(enc).filter(|enc| policy.encs.contains(enc));
        let alg = alg.ok_or(JweError::UnsupportedAlg)?;
        Ok(Self {
            alg,
            enc: enc.ok_or(JweError::UnsupportedEnc)?,
            cty: string(&members, "cty")?.map(str::to_owned),
            kid: string(&members, "kid")?.map(str::to_owned),
            agreement: if alg.is_rsa() { None } else { Some(AgreementHeader::read(&members)?) },
        })
    }
}

impl AgreementHeader {
    fn read(members: &Map<String, Value>) -> Result<Self, JweError> {
        let epk = members.get("epk").and_then(Value::as_object).ok_or(JweError::Malformed)?;
        let curve = string(epk, "crv")?.and_then(Curve::parse).ok_or(JweError::Malformed)?;
        if string(epk, "kty")? != Some(curve.key_type()) {
            return Err(JweError::Malformed);
        }
        let x = bytes(epk, "x")?.ok_or(JweError::Malformed)?;
        let y = bytes(epk, "y")?.unwrap_or_default();
        Ok(Self {
            ephemeral: EphemeralKey::new(curve, &x, &y).ok_or(JweError::Malformed)?,
            party_u: bytes(members, "apu")?.unwrap_or_default(),
            party_v: bytes(members, "apv")?.unwrap_or_default(),
        })
    }
}

/// The string under `name`; nothing where it is absent.
fn string<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, JweError> {
    let value = members.get(name);
    value.map(|value| value.as_str().ok_or(JweError::Malformed)).transpose()
}

/// The same, decoded.
fn bytes(members: &Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>, JweError> {
    let text = string(members, name)?;
    text.map(|text| json::base64url(text).map_err(|_| JweError::Malformed)).transpose()
}
