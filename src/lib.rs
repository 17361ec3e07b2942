//! Parapet: Pushed Authorization Requests (RFC 9126) in front of an authorization server that has
//! none.

pub mod admin;
pub mod answer;
pub mod authorize;
pub mod client;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod endpoints;
pub mod gateway;
pub mod healthcheck;
pub mod jose;
pub mod metadata;
pub mod oauth;
pub mod par;
pub mod proxy;
pub mod push;
pub mod store;
pub mod telemetry;
pub mod upstream;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
