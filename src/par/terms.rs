//! By what a pushed request is judged, beside the rules of its client.

use crate::config::AuthorizationDetailsType;
use crate::oauth::names::{self, Vocabulary};
use crate::upstream::Capabilities;

/// What holds for all clients, and what this push has shown.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// What the upstream can do; `None` while that is not known.
    pub capabilities: Option<&'a Capabilities>,
    /// The authorization parameters of the upstream.
    pub vocabulary: &'a Vocabulary,
    /// How much can travel.
    pub room: Room<'a>,
    /// The configured types of authorization details; empty leaves them to the upstream.
    pub details: &'a [AuthorizationDetailsType],
    /// Thumbprint of the key that the push has shown by a `DPoP` proof (RFC 9449 §10.1).
    pub proven_key: Option<&'a str>,
}

/// How much of a request can travel upstream.
#[derive(Debug, Clone, Copy)]
pub struct Room<'a> {
    /// Longest request target.
    pub max_target_bytes: usize,
    /// What the authorization endpoint's own path and query take of it.
    pub endpoint_bytes: usize,
    /// How many parameters its own query has.
    pub endpoint_pairs: usize,
    /// Names that travel in the body instead; `None` where all travel in the query.
    pub body_names: Option<&'a BodyNames>,
}

/// The closed list of names that may travel in a body (`authorize_method = "post"`): registered
/// authorization parameters and those that the configuration adds. Any other could press a button
/// on a page of the upstream (`answer=accept`).
#[derive(Debug, Clone)]
pub struct BodyNames(Vec<String>);

impl BodyNames {
    /// The registered names and `further` ones.
    #[must_use]
    pub fn new(further: &[String]) -> Self {
        Self(further.to_vec())
    }

    /// Whether `name` may travel in a body.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        names::is_authorization(name) || self.0.iter().any(|further| further == name)
    }
}
