//! The JOSE header of a JWE (RFC 7516 §4), as far as decrypting needs it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::agreement::{Curve, EphemeralKey};
use super::members::{Members, NotOfItsType};
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
    pub(super) fn read(json: &[u8], policy: &Policy) -> Result<Self, JweError> {
        let members = Members::read(json).ok_or(JweError::Malformed)?;
        if members.has("crit") || members.has("zip") {
            return Err(JweError::UnsupportedExtension);
        }
        let alg = members.text("alg")?.ok_or(JweError::Malformed)?;
        let alg = KeyManagement::parse(alg).filter(|alg| policy.algs.contains(alg));
        let enc = members.text("enc")?.ok_or(JweError::Malformed)?;
        let enc = ContentEncryption::parse(enc).filter(|enc| policy.encs.contains(enc));
        let alg = alg.ok_or(JweError::UnsupportedAlg)?;
        Ok(Self {
            alg,
            enc: enc.ok_or(JweError::UnsupportedEnc)?,
            cty: members.text("cty")?.map(str::to_owned),
            kid: members.text("kid")?.map(str::to_owned),
            agreement: if alg.is_rsa() { None } else { Some(AgreementHeader::read(&members)?) },
        })
    }
}

impl AgreementHeader {
    fn read(members: &Members) -> Result<Self, JweError> {
        let epk = members.object("epk")?.ok_or(JweError::Malformed)?;
        let bytes = |members: &Members, name| -> Result<Option<Vec<u8>>, JweError> {
            let text = members.text(name)?;
            text.map(|text| URL_SAFE_NO_PAD.decode(text).map_err(|_| JweError::Malformed))
                .transpose()
        };
        let curve = epk.text("crv")?.and_then(Curve::parse).ok_or(JweError::Malformed)?;
        if epk.text("kty")? != Some(curve.key_type()) {
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

impl From<NotOfItsType> for JweError {
    fn from(_: NotOfItsType) -> Self {
        Self::Malformed
    }
}
