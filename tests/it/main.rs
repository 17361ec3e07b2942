//! One binary for all integration tests.

#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for real servers by the real clock and spawn their own tasks"
)]

#[cfg(test)]
mod openid_client;
#[cfg(test)]
mod real_servers;
mod store;
#[cfg(test)]
mod support;
