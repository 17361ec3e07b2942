//! One binary for all integration tests.

#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for real servers by the real clock and spawn their own tasks"
)]

mod admin;
mod architecture;
mod attacks;
mod audit_trail;
mod authorize;
mod book;
mod cli;
mod commands;
mod config;
mod conformance;
mod constant_time;
mod continuation;
mod demo;
mod deploy;
mod docs;
mod error_texts;
mod full_output;
mod hop_list;
mod inspection;
mod jose;
mod jwe;
mod legacy;
mod listener;
mod mask;
mod metadata;
mod modules;
mod multipart_readers;
mod mutual_tls;
mod openid_client;
mod par;
mod parameter_names;
mod pass_through;
mod published_keys;
mod real_browser;
mod real_clients;
mod real_servers;
mod redis_stalls;
mod redis_store;
mod reload;
mod replica_faults;
mod replicas;
mod secrets;
mod shared_limits;
mod store;
mod succession;
mod support;
mod tampering;
mod traces;
mod visits;
mod watch;
