//! The protocol's vocabulary: pure, without I/O and without a clock.

pub mod error;
