//! What the integration tests stand on: processes, ports, HTTP, a browser, real servers.

pub mod browser;
pub mod cookies;
pub mod forms;
pub mod gateway;
pub mod http;
pub mod idp;
pub mod ports;
pub mod process;
pub mod relying_party;
pub mod stage;
