//! What the integration tests stand on: processes, ports, HTTP, a browser, real servers.
#![expect(unreachable_pub, reason = "`pub` here means: for the test modules of this binary")]

pub mod balancer;
pub mod bench;
pub mod browser;
pub mod chromium;
pub mod cookies;
pub mod disclosure;
pub mod flows;
pub mod forms;
pub mod front;
pub mod gateway;
pub mod http;
pub mod idp;
pub mod jose;
pub mod jwe;
pub mod markdown;
pub mod middle;
pub mod ports;
pub mod process;
pub mod public_side;
pub mod raw;
pub mod redis;
pub mod relying_party;
pub mod rust;
pub mod server_names;
pub mod server_parts;
pub mod sources;
pub mod stage;
pub mod tls;
pub mod upstream;
