//! What the gateway tells its operators: metrics, an audit trail, an access log.

pub mod access_log;
pub mod audit;
pub mod metrics;

pub use metrics::{Metrics, meter};
