//! Parapet: Pushed Authorization Requests (RFC 9126) in front of an authorization server that has
//! none.

pub mod clock;
pub mod config;
pub mod oauth;
pub mod proxy;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
