//! Keys of every kind.
