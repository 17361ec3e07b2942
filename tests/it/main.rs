//! One binary for all integration tests.

#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for real servers by the real clock and spawn their own tasks"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on must fail, in its helper functions too"
)]

mod admin;
mod cli;
mod config;
mod store;
