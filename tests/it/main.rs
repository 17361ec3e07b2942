//! One binary for all integration tests.

#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for real servers by the real clock and spawn their own tasks"
)]

mod admin;
mod attacks;
mod cli;
mod config;
mod demo;
mod listener;
mod openid_client;
mod par;
mod pass_through;
mod real_servers;
mod store;
mod support;
mod visits;
