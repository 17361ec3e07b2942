//! One binary for all integration tests.

#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for real servers by the real clock and spawn their own tasks"
)]

mod listener;
mod pass_through;
mod store;
mod support;
