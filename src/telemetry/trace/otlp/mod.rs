//! Sends finished spans by OTLP over HTTP, from a thread and a runtime of its own.

mod collector;
mod encode;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::settings::{Batch, Settings};
use super::span::Span;
use super::{Message, TraceGuard, Tracer};
use crate::clock::Clock;
use crate::telemetry::metrics::meter;
use collector::{Collector, Patience};

/// Starts the thread.
pub(super) fn start(settings: Settings, clock: Arc<dyn Clock>) -> io::Result<(Tracer, TraceGuard)> {
    let (sender, receiver) = sync_channel(settings.batch.queue);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tracer =
        Tracer { sampler: settings.sampler, spans: sender.clone(), clock: Arc::clone(&clock) };
    let exporter = Exporter {
        batch: settings.batch,
        resource: encode::resource(&settings.resource),
        collector: Collector::new(settings),
        runtime,
        clock,
        failing: false,
    };
    let work = move || exporter.run(&receiver);
    let thread = thread::Builder::new().name("traces".to_owned()).spawn(work)?;
    Ok((tracer, TraceGuard { spans: sender, thread }))
}

struct Exporter {
    batch: Batch,
    /// The resource, encoded.
    resource: Vec<u8>,
    collector: Collector,
    runtime: Runtime,
    clock: Arc<dyn Clock>,
    /// Whether the last batch was lost, so that a collector that is down fills no log.
    failing: bool,
}

/// Whether more spans are to come.
enum Then {
    Continue,
    End,
}

impl Exporter {
    fn run(mut self, spans: &Receiver<Message>) {
        let mut waiting = Vec::new();
        loop {
            let then = self.gather(spans, &mut waiting);
            let patience = match then {
                Then::Continue => Patience::Repeats,
                Then::End => Patience::Once,
            };
            self.send(&mut waiting, patience);
            if matches!(then, Then::End) {
                return;
            }
        }
    }

    /// Waits for a first span, and then until there are enough or it has waited long enough.
    fn gather(&self, spans: &Receiver<Message>, waiting: &mut Vec<Span>) -> Then {
        match spans.recv() {
            Ok(Message::Span(span)) => waiting.push(*span),
            Ok(Message::Stop) | Err(_) => return Then::End,
        }
        let began = self.clock.now();
        while waiting.len() < self.batch.size {
            let left = self.batch.delay.saturating_sub(self.clock.now().since(began));
            // A wait of nothing still takes what is there.
            match spans.recv_timeout(left) {
                Ok(Message::Span(span)) => waiting.push(*span),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return Then::End,
                Err(RecvTimeoutError::Timeout) => break,
            }
            if left == Duration::ZERO {
                break;
            }
        }
        Then::Continue
    }

    fn send(&mut self, waiting: &mut Vec<Span>, patience: Patience) {
        if waiting.is_empty() {
            return;
        }
        let number = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
        let body = encode::request(&self.resource, waiting);
        waiting.clear();
        match self.runtime.block_on(self.collector.send(body, patience)) {
            Ok(()) => {
                meter().spans_sent(number);
                if self.failing {
                    tracing::info!("the collector takes traces again");
                }
                self.failing = false;
            }
            Err(error) => {
                meter().spans_dropped(number);
                if !self.failing {
                    tracing::warn!(%error, "traces are lost until the collector takes them");
                }
                self.failing = true;
            }
        }
    }
}
