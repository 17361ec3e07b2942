//! The protocol's vocabulary: pure, without I/O and without a clock.

pub mod error;
pub mod folding;
pub mod names;
pub mod parameters;
pub mod pkce;
pub mod redirect_uri;
pub mod request_uri;
pub mod response_type;
pub mod scope;
pub mod target;
