//! Small plots of an hour as inline SVG: no script, no style attribute, and every bar says in words
//! what it shows.

use std::fmt::Write as _;
use std::time::Duration;

use super::time;
use crate::clock::WallTime;
use crate::telemetry::history::MINUTES;

/// The drawing area, in the units of the picture.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 120.0;
/// Where the plot begins: room for the scale at the left, and for its top label.
const LEFT: f64 = 34.0;
const TOP: f64 = 8.0;
/// Where it ends: room for the times below.
const BOTTOM: f64 = 100.0;

/// What is counted, in one colour.
pub(super) struct Series<'a> {
    /// A class of the style sheet.
    pub(super) class: &'static str,
    /// In words.
    pub(super) name: &'a str,
    /// Minute by minute, the present one last.
    pub(super) values: Vec<u64>,
}

/// What is measured, in one colour.
pub(super) struct Curve<'a> {
    /// A class of the style sheet.
    pub(super) class: &'static str,
    /// In words.
    pub(super) name: &'static str,
    /// Seconds, minute by minute, the present one last.
    pub(super) values: &'a [Option<f64>],
}

/// Bars, one on the other.
pub(super) fn bars(title: &str, series: &[Series<'_>], present: WallTime) -> String {
    let minutes = MINUTES;
    let total = |minute: usize| -> u64 {
        series.iter().filter_map(|series| series.values.get(minute)).sum()
    };
    let top = ceiling(float((0..minutes).map(total).max().unwrap_or(0)).max(1.0));
    let mut svg = begin(title, (top, &|value| count(value)), present, minutes);
    let step = (WIDTH - LEFT) / float(minutes.max(1) as u64);
    for minute in (0..minutes).filter(|minute| total(*minute) > 0) {
        let words = series.iter().filter_map(|series| {
            let value = series.values.get(minute).filter(|value| **value > 0)?;
            Some(format!("{value} {}", series.name))
        });
        let words = words.collect::<Vec<_>>().join(", ");
        let _ = write!(svg, "<g><title>{}: {words}</title>", shown(present, minute, minutes));
        let mut y = BOTTOM;
        let x = LEFT + step * float(minute as u64);
        for series in series {
            let value = float(series.values.get(minute).copied().unwrap_or(0));
            let height = (BOTTOM - TOP) * value / top;
            if height > 0.0 {
                y -= height;
                let _ = write!(
                    svg,
                    "<rect class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                    series.class,
                    (step - 1.0).max(0.5),
                );
            }
        }
        svg.push_str("</g>");
    }
    svg.push_str("</svg>");
    svg
}

/// Lines with a dot at each minute in which something was measured.
pub(super) fn curves(title: &str, curves: &[Curve<'_>], present: WallTime) -> String {
    let minutes = MINUTES;
    let highest = curves.iter().flat_map(|curve| curve.values).flatten().copied();
    let top = ceiling(highest.fold(0.000_1, f64::max));
    let mut svg = begin(title, (top, &|value| seconds(value)), present, minutes);
    let step = (WIDTH - LEFT) / float(minutes.max(1) as u64);
    for curve in curves {
        let mut path = String::new();
        let mut dots = String::new();
        let mut pen = 'M';
        for (minute, value) in curve.values.iter().enumerate() {
            let Some(value) = value else {
                pen = 'M';
                continue;
            };
            let x = LEFT + step * (float(minute as u64) + 0.5);
            let y = BOTTOM - (BOTTOM - TOP) * value / top;
            let _ = write!(path, "{pen}{x:.1} {y:.1}");
            pen = 'L';
            let _ = write!(
                dots,
                "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.6\"><title>{}: {} {}</title></circle>",
                curve.class,
                shown(present, minute, minutes),
                curve.name,
                seconds(*value),
            );
        }
        let _ = write!(svg, "<path class=\"line {}\" d=\"{path}\"/>{dots}", curve.class);
    }
    svg.push_str("</svg>");
    svg
}

/// The picture up to its scales.
fn begin(
    title: &str,
    (top, label): (f64, &dyn Fn(f64) -> String),
    present: WallTime,
    minutes: usize,
) -> String {
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}, the last hour by the \
         minute\">"
    );
    for share in [0.0, 0.5, 1.0] {
        let y = BOTTOM - (BOTTOM - TOP) * share;
        let _ = write!(
            svg,
            "<path class=\"rule\" d=\"M{LEFT} {y:.1}H{WIDTH}\"/>\
             <text class=\"scale\" x=\"{}\" y=\"{:.1}\">{}</text>",
            LEFT - 4.0,
            y + 3.0,
            label(top * share),
        );
    }
    let last = minutes.saturating_sub(1);
    for (minute, class, x) in
        [(0, "from", LEFT), (minutes / 2, "mid", f64::midpoint(LEFT, WIDTH)), (last, "to", WIDTH)]
    {
        let _ = write!(
            svg,
            "<text class=\"{class}\" x=\"{x}\" y=\"114\">{}</text>",
            shown(present, minute, minutes)
        );
    }
    svg
}

/// When a minute began: `23:45`.
fn shown(present: WallTime, minute: usize, minutes: usize) -> String {
    let ago = minutes.saturating_sub(minute + 1) as u64;
    let back = Duration::from_secs(ago * 60).as_millis();
    let back = u64::try_from(back).unwrap_or(0);
    time::minute(WallTime::from_millis(present.as_millis().saturating_sub(back)))
}

/// The next round number: 1, 2, 5, 10, …
fn ceiling(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power);
    round.into_iter().find(|round| *round >= value * 0.999_999).unwrap_or(value)
}

/// A number on a scale: at most four signs.
pub(super) fn count(value: f64) -> String {
    if value >= 1_000_000.0 {
        format!("{}M", trimmed(value / 1_000_000.0))
    } else if value >= 1_000.0 {
        format!("{}k", trimmed(value / 1_000.0))
    } else {
        trimmed(value)
    }
}

/// Seconds in the unit that fits.
pub(super) fn seconds(value: f64) -> String {
    if value <= 0.0 {
        "0".to_owned()
    } else if value >= 1.0 {
        format!("{} s", trimmed(value))
    } else if value >= 0.001 {
        format!("{} ms", trimmed(value * 1_000.0))
    } else {
        format!("{} µs", trimmed(value * 1_000_000.0))
    }
}

fn trimmed(value: f64) -> String {
    let text = if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") };
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and it is drawn")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESENT: WallTime = WallTime::from_millis(1_735_689_540_000);

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, top) in [(1.0, 1.0), (3.0, 5.0), (5.1, 10.0), (0.0013, 0.002), (230.0, 500.0)] {
            assert!((ceiling(value) - top).abs() < top * 1e-9, "{value}: {}", ceiling(value));
        }
        assert_eq!(count(2_500.0), "2.5k");
        assert_eq!(seconds(0.000_25), "250 µs");
        assert_eq!(seconds(0.005), "5 ms");
        assert_eq!(seconds(1.25), "1.2 s");
    }

    #[test]
    fn bars_stand_on_each_other_and_say_what_they_are() {
        let mut values = vec![0; 60];
        values[59] = 3;
        let of = |class, name, values| Series { class, name, values };
        let svg = bars(
            "Pushes",
            &[of("good", "accepted", values.clone()), of("bad", "refused", values)],
            PRESENT,
        );
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains("<title>23:59: 3 accepted, 3 refused</title>"), "{svg}");
        assert!(svg.contains("aria-label=\"Pushes, the last hour"), "{svg}");
        assert!(svg.contains(">23:00</text>"), "{svg}");
        assert!(!svg.contains("style="), "{svg}");
    }

    #[test]
    fn an_hour_in_which_nothing_happened_has_scales_and_nothing_else() {
        let series = Series { class: "good", name: "accepted", values: vec![0; 60] };
        let svg = bars("Pushes", &[series], PRESENT);
        assert!(!svg.contains("<rect") && svg.contains("class=\"scale\""), "{svg}");
        let curve = Curve { class: "median", name: "median", values: &[None; 60] };
        let svg = curves("Time", &[curve], PRESENT);
        assert!(!svg.contains("<circle") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn a_line_is_broken_where_nothing_was_measured() {
        let mut values = vec![None; 60];
        for minute in [3, 4, 9] {
            values[minute] = Some(0.002);
        }
        let svg = curves("T", &[Curve { class: "p99", name: "99 %", values: &values }], PRESENT);
        let path = svg.split("d=\"").last().unwrap().split('"').next().unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1));
        assert_eq!(svg.matches("<circle").count(), 3);
    }
}
