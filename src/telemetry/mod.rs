//! What the gateway tells its operators: metrics, traces, an audit trail, an access log, and all else
//! that is logged. Lines go to standard error, the audit trail where it is sent.

pub mod access_log;
pub mod audit;
pub mod history;
mod log_file;
pub mod metrics;
pub mod recent;
mod reloads;
pub mod trace;
mod writer;

use std::io;

use parking_lot::Mutex;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

pub use metrics::{Metrics, meter};
pub use reloads::{RefusedReload, ReloadStatus, Reloads};
pub use writer::LogGuard;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For reading at a terminal.
    Text,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `[log] level` is no filter.
    #[error("`{0}` is neither a log level (error, warn, info, debug, trace, off) nor a filter")]
    Level(String),
    /// No thread for the log.
    #[error("the log's thread cannot be started: {0}")]
    Thread(#[from] io::Error),
    /// Another subscriber was set before.
    #[error("logging was already set up: {0}")]
    Twice(#[from] TryInitError),
}

/// Sets up logging for the process, to standard error. `level` is a word such as `info` or a filter
/// such as `info,parapet::proxy=debug`.
///
/// Libraries that log through the `log` crate are heard too, from `warn` on. Lines are written by a
/// thread of their own: keep the guard until the end.
pub fn init(format: LogFormat, level: &str) -> Result<LogGuard, LogError> {
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let (writer, guard) = writer::to_stderr()?;
    Registry::default().with(filter).with(layer(format, writer)).try_init()?;
    *FILTER.lock() = Some(handle);
    Ok(guard)
}

/// What [`init`] set the level of.
static FILTER: Mutex<Option<reload::Handle<EnvFilter, Registry>>> = Mutex::new(None);

/// Changes the `level` that [`init`] was told, for every line from now on. Without effect where logs
/// were not set up here.
///
/// # Errors
/// [`LogError::Level`]
pub fn change_level(level: &str) -> Result<(), LogError> {
    let filter = filter(level)?;
    if let Some(handle) = &*FILTER.lock() {
        // Fails only where the subscriber is gone, and nobody logs any more.
        let _ = handle.reload(filter);
    }
    Ok(())
}

/// Judges a `[log] level` without setting anything up.
pub fn check_level(level: &str) -> Result<(), LogError> {
    filter(level).map(drop)
}

/// Reports failed requests with their targets; the access log does that without the query.
const SILENT: &str = "pingora_proxy=off";

/// Libraries are heard from `warn` on, unless `level` says less or names them, and then from `info`
/// on at most: below that they print whole requests, `Authorization` included.
fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let wrong = || LogError::Level(level.to_owned());
    let mut general = LevelFilter::INFO;
    let mut named = Vec::new();
    for part in level.split(',').map(str::trim) {
        match part.parse() {
            Ok(found) if !part.is_empty() => general = found,
            _ if part.contains(['=', '[']) => named.extend(bounded(part)),
            // A bare word that is no level would be taken for the name of a target.
            _ => return Err(wrong()),
        }
    }
    let library = general.min(LevelFilter::WARN);
    let named = named.join(",");
    let directives = format!("{library},{SILENT},parapet={general},{named}");
    EnvFilter::builder().parse(directives).map_err(|_| wrong())
}

/// One `target=level` of a filter, kept from what libraries must not print.
fn bounded(part: &str) -> Option<String> {
    let (target, level) = part.rsplit_once('=').unwrap_or((part, "trace"));
    match target.split(['[', ':']).next() {
        Some("parapet") => Some(part.to_owned()),
        Some("pingora_proxy") => None,
        _ => match level.parse::<LevelFilter>() {
            Ok(level) => Some(format!("{target}={}", level.min(LevelFilter::INFO))),
            Err(_) => Some(part.to_owned()),
        },
    }
}

fn layer<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    match format {
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Text => layer.boxed(),
    }
}

#[cfg(test)]
mod testing {
    //! Catches what a test logs.

    use std::io::{self, Write};
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry::Registry;

    use super::{LogFormat, filter, layer};

    #[derive(Clone, Default)]
    pub(super) struct Sink(pub(super) Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(super) fn logged(format: LogFormat, level: &str, act: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = layer(format, move || writer.clone());
        with_default(Registry::default().with(filter(level).unwrap()).with(layer), act);
        String::from_utf8(sink.0.lock().clone()).unwrap()
    }

    /// One JSON object per line.
    pub(super) fn logged_json(act: impl FnOnce()) -> Vec<serde_json::Value> {
        let text = logged(LogFormat::Json, "info", act);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{logged, logged_json};
    use super::*;

    #[test]
    fn a_level_is_a_word_or_a_filter() {
        for level in ["info", "WARN", "off", "info,parapet::proxy=debug", "warn, parapet=trace"] {
            assert!(check_level(level).is_ok(), "{level}");
        }
        for level in ["", "loud", "info,parapet", "parapet=loud", "info,,warn"] {
            assert!(matches!(check_level(level), Err(LogError::Level(_))), "{level}");
        }
    }

    #[test]
    fn libraries_are_heard_from_warn_on_and_the_proxy_library_never() {
        let lines = logged_json(|| {
            tracing::info!(target: "pingora_core::server", "chatter");
            tracing::info!(target: "rustls", "chatter");
            tracing::warn!(target: "pingora_core::server", "trouble");
            tracing::error!(target: "pingora_proxy", "GET /authorize?state=SECRET");
            tracing::info!("our own");
        });
        let said: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(said, ["trouble", "our own"]);
    }

    #[test]
    fn libraries_are_never_louder_than_the_level() {
        let text = logged(LogFormat::Text, "off", || {
            tracing::error!(target: "pingora_core", "trouble");
            tracing::error!("our own");
        });
        assert_eq!(text, "");
    }

    #[test]
    fn b214_no_filter_makes_libraries_print_requests() {
        let level = "trace,pingora_core=trace,pingora_proxy=trace,pingora_proxy::x=info,[s]=trace";
        let text = logged(LogFormat::Text, level, || {
            tracing::debug!(target: "pingora_core::protocols", "GET /?state=SECRET");
            tracing::error!(target: "pingora_proxy", "GET /?state=SECRET");
            tracing::error!(target: "pingora_proxy::x", "GET /?state=SECRET");
            tracing::info!(target: "pingora_core", "chatter");
            tracing::trace!("our own");
        });
        assert!(text.contains("chatter") && text.contains("our own"), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
    }

    #[test]
    fn a_filter_without_a_level_leaves_the_rest_at_info() {
        let text = logged(LogFormat::Text, "parapet::proxy=debug", || {
            tracing::info!("our own");
            tracing::debug!("too much");
            tracing::debug!(target: "parapet::proxy", "asked for");
        });
        assert!(text.contains("our own") && text.contains("asked for"), "{text}");
        assert!(!text.contains("too much"), "{text}");
    }

    #[test]
    fn an_explicit_filter_may_ask_for_more() {
        let text = logged(LogFormat::Text, "error,pingora_core=info", || {
            tracing::info!(target: "pingora_core", "chatter");
            tracing::warn!("our own");
        });
        assert!(text.contains("chatter") && !text.contains("our own"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
