//! One binary for all integration tests.

#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for real servers by the real clock and spawn their own tasks"
)]

mod admin;
mod architecture;
mod attacks;
mod authorize;
mod cli;
mod config;
mod conformance;
mod continuation;
mod demo;
mod docs;
mod jose;
mod legacy;
mod listener;
mod metadata;
mod openid_client;
mod par;
mod pass_through;
mod real_servers;
mod store;
mod support;
mod visits;
