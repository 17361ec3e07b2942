//! The page: one HTML document with its style sheet, and nothing from anywhere else.

use std::sync::LazyLock;
use std::time::Duration;

use askama::Template;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response};

use super::Refresh;
use super::plot::{self, Curve, Series};
use super::time;
use super::view::{Happening, View};
use crate::answer;
use crate::oauth::error::ErrorCode;
use crate::telemetry::history::{Hour, Quantiles, Split};

/// How many reasons get a colour of their own.
const REASONS: [&str; 5] = ["r0", "r1", "r2", "r3", "r4"];

#[derive(Template)]
#[template(path = "status.html", config = ".askama.toml")]
struct Page<'a> {
    view: &'a View,
    style: &'static str,
    refreshes: bool,
    clock: String,
    day: String,
    uptime: String,
    /// For how long the configuration has been in use.
    loaded: String,
    store_share: Option<u64>,
    store_bytes: String,
    store_room: Option<String>,
    certificates: Vec<Expiry>,
    plots: Vec<Plot>,
    outcomes: Vec<Row<'a>>,
}

/// A certificate in words.
struct Expiry {
    listener: &'static str,
    date: String,
    left: String,
    /// A class of the style sheet.
    class: &'static str,
}

/// A plot with its legend.
struct Plot {
    title: &'static str,
    unit: &'static str,
    svg: String,
    legend: Vec<Key>,
    nothing: Option<&'static str>,
}

/// One line of a legend.
struct Key {
    class: &'static str,
    name: String,
    value: String,
}

/// One line of the table of outcomes.
struct Row<'a> {
    at: &'a str,
    clock: String,
    event: &'static str,
    /// A class of the style sheet.
    class: &'static str,
    why: &'static str,
    request_id: &'a str,
}

/// The page as an answer.
pub(super) fn answer(view: &View, refresh: Refresh) -> Response<Bytes> {
    let Ok(html) = Page::of(view, refresh).render() else {
        return answer::refusal(ErrorCode::ServerError, "the page cannot be made");
    };
    let mut answer = Response::new(Bytes::from(html));
    let headers = answer.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_LANGUAGE, "en"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    answer
}

const STYLE: &str = include_str!("status.css");

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| answer::policy_for(STYLE));

impl<'a> Page<'a> {
    fn of(view: &'a View, refresh: Refresh) -> Self {
        let room = view.store.max_bytes.filter(|room| *room > 0);
        Self {
            view,
            style: STYLE,
            refreshes: refresh == Refresh::Itself,
            clock: time::clock(view.at),
            day: time::day(view.at),
            uptime: time::span(Duration::from_secs(view.uptime_seconds)),
            loaded: time::span(view.loaded_for),
            store_share: room.map(|room| (view.store.bytes * 100).div_ceil(room).min(100)),
            store_bytes: bytes(view.store.bytes),
            store_room: room.map(bytes),
            certificates: expiries(view),
            plots: plots(&view.hour),
            outcomes: view.outcomes.iter().map(Row::of).collect(),
        }
    }
}

fn expiries(view: &View) -> Vec<Expiry> {
    let all = view.certificates.iter().map(|certificate| {
        let seconds = certificate.expires_in_seconds;
        Expiry {
            listener: certificate.listener,
            date: certificate
                .expires_at
                .as_deref()
                .and_then(|at| at.get(..10))
                .unwrap_or("unknown")
                .to_owned(),
            left: match seconds {
                None => "cannot be read".to_owned(),
                Some(0) => "expired".to_owned(),
                Some(seconds) => {
                    format!("in {}", time::span(Duration::from_secs(seconds)))
                }
            },
            class: match seconds {
                Some(seconds) if seconds > 14 * 86_400 => "ok",
                Some(seconds) if seconds > 3 * 86_400 => "warn",
                _ => "down",
            },
        }
    });
    all.collect()
}

fn plots(hour: &Hour) -> Vec<Plot> {
    vec![
        split("Pushes", hour, &hour.pushes, ["accepted", "refused"]),
        split("Redeems", hour, &hour.redeems, ["accepted", "refused"]),
        split("Completions", hour, &hour.completions, ["with a code", "failed"]),
        refusals(hour),
        times("Answer to a push", hour, &hour.push_time),
        times("Answer of the upstream", hour, &hour.upstream_time),
    ]
}

fn split(title: &'static str, hour: &Hour, split: &Split, names: [&'static str; 2]) -> Plot {
    let [good, bad] = names;
    let series = [
        Series { class: "good", name: good, values: split.good.clone() },
        Series { class: "bad", name: bad, values: split.bad.clone() },
    ];
    counted(title, &series, hour)
}

fn refusals(hour: &Hour) -> Plot {
    let mut series: Vec<Series<'_>> = Vec::new();
    for ((name, values), class) in hour.refusals.iter().zip(REASONS) {
        series.push(Series { class, name, values: values.clone() });
    }
    if let Some(rest) = hour.refusals.get(REASONS.len()..).filter(|rest| !rest.is_empty()) {
        let minutes = rest.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        let sum = |minute: usize| rest.iter().filter_map(|(_, values)| values.get(minute)).sum();
        let values = (0..minutes).map(sum).collect();
        series.push(Series { class: "r5", name: "all others", values });
    }
    counted("Refusals by reason", &series, hour)
}

fn counted(title: &'static str, series: &[Series<'_>], hour: &Hour) -> Plot {
    let key = |series: &Series<'_>| Key {
        class: series.class,
        name: series.name.to_owned(),
        value: series.values.iter().sum::<u64>().to_string(),
    };
    let nothing = series.iter().all(|series| series.values.iter().all(|value| *value == 0));
    Plot {
        title,
        unit: "per minute",
        svg: plot::bars(title, series, hour.present),
        legend: series.iter().map(key).collect(),
        nothing: nothing.then_some("None in the last hour."),
    }
}

fn times(title: &'static str, hour: &Hour, quantiles: &Quantiles) -> Plot {
    let curves = [
        Curve { class: "median", name: "median", values: &quantiles.median },
        Curve { class: "p99", name: "99 %", values: &quantiles.p99 },
    ];
    let last = |values: &[Option<f64>]| values.iter().rev().flatten().next().copied();
    let key = |curve: &Curve<'_>| Key {
        class: curve.class,
        name: curve.name.to_owned(),
        value: last(curve.values).map_or("–".to_owned(), plot::seconds),
    };
    Plot {
        title,
        unit: "time",
        svg: plot::curves(title, &curves, hour.present),
        legend: curves.iter().map(key).collect(),
        nothing: last(&quantiles.median).is_none().then_some("Nothing was measured."),
    }
}

impl<'a> Row<'a> {
    fn of(event: &'a Happening) -> Self {
        let is_bad = event.event.ends_with(".refused") || event.event.ends_with(".failed");
        Self {
            at: &event.at,
            clock: event.at.get(11..19).unwrap_or_default().to_owned(),
            event: event.event,
            class: if is_bad { "down" } else { "ok" },
            why: event.reason.or(event.error).unwrap_or(""),
            request_id: &event.request_id,
        }
    }
}

/// `3.2 MiB`
fn bytes(number: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (number.max(1).ilog2() / 10).min(4);
    let unit = units.get(power as usize).copied().unwrap_or("B");
    let tenths = (u128::from(number) * 10) >> (10 * power);
    if tenths.is_multiple_of(10) || power == 0 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_unit_that_fits() {
        for (number, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1 KiB"),
            (1_536, "1.5 KiB"),
            (268_435_456, "256 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
