//! The counters at one moment, read out of the text that a scraper gets.

use std::collections::BTreeMap;

/// What the history looks at, counted since the start of the process.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reading {
    /// By [`Count`].
    pub(super) counts: [u64; 6],
    /// Refused requests by reason: `push: invalid_client`.
    pub(super) refusals: BTreeMap<String, u64>,
    /// What the limits refused, by scope.
    pub(super) limited: BTreeMap<String, u64>,
    /// By [`Time`].
    pub(super) times: [Buckets; 3],
}

/// Positions in [`Reading::counts`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    PushAccepted,
    PushRefused,
    Redeemed,
    RedeemRefused,
    Completed,
    Failed,
}

/// Positions in [`Reading::times`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Time {
    Push,
    Store,
    Upstream,
}

/// Upper bounds in seconds, ascending, and how many measurements each one takes in.
pub(super) type Buckets = Vec<(f64, u64)>;

impl Reading {
    /// Reads what [`Metrics::render`](crate::telemetry::Metrics::render) gives.
    pub(super) fn of(text: &str) -> Self {
        let mut reading = Self::default();
        for series in text.lines().filter_map(Series::parse) {
            reading.take(&series);
        }
        reading
    }

    fn take(&mut self, series: &Series<'_>) {
        let (result, value) = (series.label("result"), series.value);
        match series.name {
            "parapet_push_requests_total" if result == "accepted" => {
                self.count(Count::PushAccepted, value);
            }
            "parapet_push_requests_total" => {
                self.count(Count::PushRefused, value);
                self.refuse("push", series.label("error"), value);
            }
            "parapet_redeem_total" => match result {
                "ok" | "reload" => self.count(Count::Redeemed, value),
                "preview" => {}
                _ => {
                    self.count(Count::RedeemRefused, value);
                    self.refuse("redeem", result, value);
                }
            },
            "parapet_completion_total" => match series.label("outcome") {
                "code" | "repeated" => self.count(Count::Completed, value),
                outcome => {
                    self.count(Count::Failed, value);
                    if outcome == "refused" {
                        self.refuse("completion", outcome, value);
                    }
                }
            },
            "parapet_plain_authorize_total" if series.label("decision") == "refused" => {
                self.refuse("authorize", "push_required", value);
            }
            "parapet_guard_refusals_total" => self.refuse("guard", series.label("place"), value),
            "parapet_rate_limited_total" => {
                let scope = series.label("scope");
                self.limited.insert(scope.to_owned(), value);
                // The others are refused pushes.
                if scope == "connections" {
                    self.refuse("limit", scope, value);
                }
            }
            "parapet_push_duration_seconds_bucket" => self.time(Time::Push, series),
            "parapet_store_operation_duration_seconds_bucket" => self.time(Time::Store, series),
            "parapet_upstream_request_duration_seconds_bucket" => self.time(Time::Upstream, series),
            _ => {}
        }
    }

    fn count(&mut self, count: Count, value: u64) {
        if let Some(sum) = self.counts.get_mut(count as usize) {
            *sum += value;
        }
    }

    fn refuse(&mut self, stage: &str, reason: &str, value: u64) {
        if value > 0 {
            *self.refusals.entry(format!("{stage}: {reason}")).or_default() += value;
        }
    }

    fn time(&mut self, time: Time, series: &Series<'_>) {
        let bound = match series.label("le") {
            "+Inf" => f64::INFINITY,
            bound => bound.parse().unwrap_or(f64::INFINITY),
        };
        let Some(buckets) = self.times.get_mut(time as usize) else { return };
        match buckets.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
            Some((_, sum)) => *sum += series.value,
            None => buckets.push((bound, series.value)),
        }
    }
}

/// `name{label="value",…} 12`. Values of labels are words of closed sets, without quotation marks.
struct Series<'a> {
    name: &'a str,
    labels: &'a str,
    value: u64,
}

impl<'a> Series<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        Some(Self { name, labels, value: value.parse().ok()? })
    }

    fn label(&self, name: &str) -> &'a str {
        let pairs = self.labels.trim_end_matches('}').split(',');
        let mut values = pairs.filter_map(|pair| pair.strip_prefix(name)?.strip_prefix("=\""));
        values.next().map_or("", |value| value.trim_end_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_read_and_summed() {
        let reading = Reading::of(
            "# HELP parapet_push_requests_total x\n\
             parapet_push_requests_total{result=\"accepted\",error=\"none\",auth_method=\"none\"} 7\n\
             parapet_push_requests_total{result=\"refused\",error=\"invalid_client\",form=\"plain\"} 2\n\
             parapet_push_requests_total{result=\"refused\",error=\"invalid_client\",form=\"x\"} 1\n\
             parapet_redeem_total{result=\"ok\"} 3\nparapet_redeem_total{result=\"preview\"} 9\n\
             parapet_redeem_total{result=\"expired\"} 4\n\
             parapet_completion_total{outcome=\"code\"} 5\n\
             parapet_completion_total{outcome=\"error\"} 1\n\
             parapet_push_duration_seconds_bucket{result=\"accepted\",le=\"0.1\"} 6\n\
             parapet_push_duration_seconds_bucket{result=\"accepted\",le=\"+Inf\"} 8\n\
             parapet_push_duration_seconds_bucket{result=\"refused\",le=\"0.1\"} 1\n\
             parapet_store_bytes 17.5\n",
        );
        assert_eq!(reading.counts, [7, 3, 3, 4, 5, 1]);
        let refusals: Vec<_> =
            reading.refusals.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!(refusals, [("push: invalid_client", 3), ("redeem: expired", 4)]);
        assert_eq!(reading.times[Time::Push as usize], [(0.1, 7), (f64::INFINITY, 8)]);
    }
}
