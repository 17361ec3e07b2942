//! By what a pushed request is judged, beside the rules of its client.

use super::request::Room;
use crate::config::AuthorizationDetailsType;
use crate::upstream::Capabilities;

/// What holds for all clients, and what this push has shown.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// What the upstream can do; `None` while that is not known.
    pub capabilities: Option<&'a Capabilities>,
    /// How much can travel.
    pub room: Room<'a>,
    /// The configured types of authorization details; empty leaves them to the upstream.
    pub details: &'a [AuthorizationDetailsType],
    /// Thumbprint of the key that the push has shown by a `DPoP` proof (RFC 9449 §10.1).
    pub proven_key: Option<&'a str>,
}
