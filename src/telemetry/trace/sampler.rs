//! Which traces are recorded (`OTEL_TRACES_SAMPLER`).

use super::context::{TraceContext, TraceId};

/// What is decided of a trace that begins here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// Every one is recorded.
    All,
    /// None.
    None,
    /// This part of them, by their ids: between 0 and 1.
    Part(f64),
}

/// Decides by the caller's word, or by the share alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Of traces that begin here, and of all where the caller's word does not count.
    pub share: Share,
    /// Whether the caller's decision is followed.
    pub follows_parent: bool,
}

impl Default for Sampler {
    /// `parentbased_always_on`
    fn default() -> Self {
        Self { share: Share::All, follows_parent: true }
    }
}

impl Sampler {
    /// By the names of OpenTelemetry; `argument` is the share, 1 where it is absent. `None` for a
    /// name that is not known, or an argument that is no share.
    #[must_use]
    pub fn named(name: &str, argument: Option<&str>) -> Option<Self> {
        let (kind, follows_parent) = match name.strip_prefix("parentbased_") {
            Some(kind) => (kind, true),
            None => (name, false),
        };
        let share = match kind {
            "always_on" => Share::All,
            "always_off" => Share::None,
            "traceidratio" => {
                let part = argument.map_or(Ok(1.0), str::parse).ok()?;
                (0.0..=1.0).contains(&part).then_some(Share::Part(part))?
            }
            _ => return None,
        };
        Some(Self { share, follows_parent })
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub fn records(self, trace_id: TraceId, parent: Option<TraceContext>) -> bool {
        match (self.follows_parent, parent) {
            (true, Some(parent)) => parent.sampled,
            _ => self.share.takes(trace_id),
        }
    }
}

impl Share {
    /// By the last 56 bits of the id, which are random in every trace (W3C Trace Context §3.2.2.3).
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
    fn takes(self, TraceId(id): TraceId) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Part(part) => {
                let low = u128::from_be_bytes(id) % MOST;
                (low as f64) < part * (MOST as f64)
            }
        }
    }
}

const MOST: u128 = 1 << 56;

#[cfg(test)]
mod tests {
    use super::super::context::SpanId;
    use super::*;

    #[test]
    fn samplers_go_by_their_standard_names() {
        for (name, argument, expected) in [
            ("always_on", None, Some((Share::All, false))),
            ("always_off", None, Some((Share::None, false))),
            ("traceidratio", Some("0.25"), Some((Share::Part(0.25), false))),
            ("traceidratio", None, Some((Share::Part(1.0), false))),
            ("parentbased_always_on", None, Some((Share::All, true))),
            ("parentbased_always_off", None, Some((Share::None, true))),
            ("parentbased_traceidratio", Some("0"), Some((Share::Part(0.0), true))),
            ("parentbased_traceidratio", Some("1.5"), None),
            ("traceidratio", Some("half"), None),
            ("traceidratio", Some("NaN"), None),
            ("jaeger_remote", None, None),
            ("", None, None),
        ] {
            let found = Sampler::named(name, argument);
            assert_eq!(found.map(|s| (s.share, s.follows_parent)), expected, "{name}");
        }
    }

    #[test]
    fn the_parent_decides_where_it_may() {
        let id = TraceId([7; 16]);
        let parent =
            |sampled| Some(TraceContext { trace_id: id, span_id: SpanId([1; 8]), sampled });
        let follows = Sampler { share: Share::None, follows_parent: true };
        assert!(follows.records(id, parent(true)));
        assert!(!follows.records(id, parent(false)) && !follows.records(id, None));
        let alone = Sampler { share: Share::All, follows_parent: false };
        assert!(alone.records(id, parent(false)));
    }

    #[test]
    fn a_share_takes_about_its_part() {
        let takes = |part: f64| {
            let ids = (0..10_000_u64).map(|at| {
                let spread = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                TraceId(u128::from(spread).to_be_bytes())
            });
            ids.filter(|id| Share::Part(part).takes(*id)).count()
        };
        assert_eq!((takes(0.0), takes(1.0)), (0, 10_000));
        assert!((2_300..2_700).contains(&takes(0.25)), "{}", takes(0.25));
    }
}
