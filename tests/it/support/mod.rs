//! What several tests need.

pub(crate) mod public_side;
pub(crate) mod raw;
pub(crate) mod upstream;
