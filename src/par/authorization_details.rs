//! `authorization_details` (RFC 9396): judged at the push, and forwarded as it was pushed, letter by
//! letter.

use serde_json::Value;

use super::terms::Terms;
use crate::client::Client;
use crate::jose::json;
use crate::oauth::error::ErrorCode;

/// Why authorization details are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DetailsError {
    /// Not JSON that every reader reads alike, or not an array.
    #[error("authorization_details is not a JSON array in which each member is named once")]
    NotAnArray,
    /// Nothing is asked for.
    #[error("authorization_details is empty")]
    Empty,
    /// RFC 9396 §2.
    #[error("authorization_details holds something else than an object with a type")]
    NoType,
    /// Nobody knows at the moment which types the upstream knows.
    #[error("the metadata of the authorization server cannot be had at the moment")]
    UpstreamUnknown,
    /// Nobody said which types the upstream knows.
    #[error("the authorization server does not support authorization_details")]
    Unsupported,
    /// A type that is not offered here.
    #[error("authorization_details holds a type that is not supported")]
    UnknownType,
    /// A type that the client may not use.
    #[error("authorization_details holds a type that this client may not use")]
    ForbiddenType,
    /// RFC 9396 §5: unknown, missing or wrong members.
    #[error("authorization_details holds an object that does not keep the schema of its type")]
    Schema,
}

impl DetailsError {
    /// The wire code.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::UpstreamUnknown => ErrorCode::TemporarilyUnavailable,
            Self::NotAnArray
            | Self::Empty
            | Self::NoType
            | Self::Unsupported
            | Self::UnknownType
            | Self::ForbiddenType
            | Self::Schema => ErrorCode::InvalidAuthorizationDetails,
        }
    }
}

/// Judges `text`, the parameter as it was pushed or as a request object has it.
pub(super) fn judge(text: &str, client: &Client, terms: &Terms<'_>) -> Result<(), DetailsError> {
    let Ok(Value::Array(details)) = json::value(text.as_bytes()) else {
        return Err(DetailsError::NotAnArray);
    };
    if details.is_empty() {
        return Err(DetailsError::Empty);
    }
    details.iter().try_for_each(|detail| one(detail, client, terms))
}

fn one(detail: &Value, client: &Client, terms: &Terms<'_>) -> Result<(), DetailsError> {
    let kind = detail.as_object().and_then(|members| members.get("type"));
    let name = kind.and_then(Value::as_str).ok_or(DetailsError::NoType)?;
    let configured = terms.details.iter().find(|known| known.name == name);
    is_offered(name, configured.is_some(), terms)?;
    let own = client.authorization_details_types.as_ref();
    if own.is_some_and(|own| !own.iter().any(|known| known == name)) {
        return Err(DetailsError::ForbiddenType);
    }
    let schema = configured.and_then(|known| known.schema.as_ref());
    if schema.is_none_or(|schema| schema.is_kept_by(detail)) {
        Ok(())
    } else {
        Err(DetailsError::Schema)
    }
}

/// Whether the type is on both lists; where the configuration or the upstream's metadata has none, the
/// other's counts alone.
fn is_offered(name: &str, is_configured: bool, terms: &Terms<'_>) -> Result<(), DetailsError> {
    let published = terms.capabilities.map(|upstream| &upstream.authorization_details_types[..]);
    if terms.details.is_empty() {
        match published {
            None => return Err(DetailsError::UpstreamUnknown),
            Some([]) => return Err(DetailsError::Unsupported),
            Some(_) => {}
        }
    }
    let published = published.unwrap_or_default();
    let is_published = published.is_empty() || published.iter().any(|known| known == name);
    if (is_configured || terms.details.is_empty()) && is_published {
        Ok(())
    } else {
        Err(DetailsError::UnknownType)
    }
}
