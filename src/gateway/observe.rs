//! What begins before the first request and ends after the last: the audit trail and the traces.

use std::io;
use std::sync::Arc;

use crate::clock::SystemClock;
use crate::config::{AuditTrail, Config, Environment};
use crate::telemetry::LogGuard;
use crate::telemetry::audit::{self, AuditError, Destination};
use crate::telemetry::trace::{self, Settings, TraceGuard};

/// Why nothing would be told.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The audit trail.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The traces.
    #[error("traces cannot be sent (see OTEL_EXPORTER_OTLP_ENDPOINT): {0}")]
    Traces(#[from] io::Error),
}

/// Writes out and sends what waits, when dropped.
pub(super) struct Observed {
    _traces: Option<TraceGuard>,
    _audit: Option<LogGuard>,
}

/// Begins both, the traces by the standard variables.
pub(super) fn begin(config: &Config) -> Result<Observed, ObserveError> {
    let audit = audit::open(&destination(&config.log.audit))?;
    let environment = Environment::of_process();
    let (settings, unused) = Settings::read(|name| environment.value(name));
    for unused in unused {
        tracing::warn!("{unused}");
    }
    let traces = settings.map(|settings| {
        tracing::info!(endpoint = settings.endpoint.host(), "traces are sent");
        trace::start(settings, Arc::new(SystemClock::start()))
    });
    Ok(Observed { _traces: traces.transpose()?, _audit: audit })
}

fn destination(trail: &AuditTrail) -> Destination {
    match trail {
        AuditTrail::Stderr => Destination::Log,
        AuditTrail::Stdout => Destination::Stdout,
        AuditTrail::File(path) => Destination::File(path.clone()),
        AuditTrail::Off => Destination::Off,
    }
}
