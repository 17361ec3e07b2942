//! Metrics with labels whose handles are looked up once and then found by position.

use std::sync::{Arc, OnceLock};

use metrics::{Counter, Gauge, Histogram, Key, Label as Pair, Level, Metadata, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::declared::Declaration;
use super::labels::Label;

const METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// A kind of handle.
pub(super) trait Handle: Sized {
    fn register(recorder: &PrometheusRecorder, key: &Key) -> Self;
}

impl Handle for Counter {
    fn register(recorder: &PrometheusRecorder, key: &Key) -> Self {
        recorder.register_counter(key, &METADATA)
    }
}

impl Handle for Gauge {
    fn register(recorder: &PrometheusRecorder, key: &Key) -> Self {
        recorder.register_gauge(key, &METADATA)
    }
}

impl Handle for Histogram {
    fn register(recorder: &PrometheusRecorder, key: &Key) -> Self {
        recorder.register_histogram(key, &METADATA)
    }
}

/// The handle of a metric without labels, or with values known at the call.
pub(super) fn single<H: Handle>(
    recorder: &PrometheusRecorder,
    declared: Declaration,
    values: Vec<String>,
) -> H {
    let pairs = declared.labels.iter().zip(values).map(|(&name, value)| Pair::new(name, value));
    H::register(recorder, &Key::from_parts(declared.name, pairs.collect::<Vec<_>>()))
}

/// One label's part in a cell's position.
#[derive(Clone, Copy)]
pub(super) struct Place {
    index: usize,
    text: &'static str,
}

pub(super) fn place<L: Label>(label: L) -> Place {
    Place { index: label.index(), text: label.text() }
}

/// The handles of one metric, one cell per combination of label values, filled on first use.
pub(super) struct Family<H, const N: usize> {
    recorder: Arc<PrometheusRecorder>,
    declared: Declaration,
    sizes: [usize; N],
    cells: Box<[OnceLock<H>]>,
}

impl<H: Handle, const N: usize> Family<H, N> {
    /// `sizes` are the numbers of values of each label, in the order of the declaration.
    pub(super) fn new(
        recorder: &Arc<PrometheusRecorder>,
        declared: Declaration,
        sizes: [usize; N],
    ) -> Self {
        let cells = (0..sizes.iter().product()).map(|_| OnceLock::new()).collect();
        Self { recorder: Arc::clone(recorder), declared, sizes, cells }
    }

    /// Does something to the handle for `places`.
    pub(super) fn at(&self, places: [Place; N], act: impl FnOnce(&H)) {
        let inside = places.iter().zip(self.sizes).all(|(place, size)| place.index < size);
        let position =
            places.iter().zip(self.sizes).fold(0, |sum, (place, size)| sum * size + place.index);
        let register = || self.register(&places);
        match self.cells.get(position).filter(|_| inside) {
            Some(cell) => act(cell.get_or_init(register)),
            None => act(&register()),
        }
    }

    fn register(&self, places: &[Place; N]) -> H {
        let pairs = self.declared.labels.iter().zip(places);
        let pairs: Vec<Pair> =
            pairs.map(|(&name, place)| Pair::from_static_parts(name, place.text)).collect();
        H::register(&self.recorder, &Key::from_parts(self.declared.name, pairs))
    }
}

impl<H: Handle> Family<H, 1> {
    /// A family of one label whose cells all exist from the start, so that they show as zero.
    pub(super) fn of<L: Label + 'static>(
        recorder: &Arc<PrometheusRecorder>,
        declared: Declaration,
        values: &[L],
    ) -> Self {
        let family = Self::new(recorder, declared, [L::COUNT]);
        for &value in values {
            family.at([place(value)], |_| ());
        }
        family
    }
}

impl<H: Handle> Family<H, 2> {
    /// The same with two labels.
    pub(super) fn of_two<A: Label + 'static, B: Label + 'static>(
        recorder: &Arc<PrometheusRecorder>,
        declared: Declaration,
        values: (&[A], &[B]),
    ) -> Self {
        let family = Self::new(recorder, declared, [A::COUNT, B::COUNT]);
        for &one in values.0 {
            for &other in values.1 {
                family.at([place(one), place(other)], |_| ());
            }
        }
        family
    }
}
