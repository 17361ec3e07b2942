//! Times and spans in words. All times are UTC.

use std::time::Duration;

use crate::clock::WallTime;

/// `2026-11-22T23:45:10Z` (RFC 3339).
pub(super) fn rfc3339(at: WallTime) -> String {
    let seconds = at.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-11-22`
pub(super) fn day(at: WallTime) -> String {
    rfc3339(at).split('T').next().unwrap_or_default().to_owned()
}

/// `23:45:10`
pub(super) fn clock(at: WallTime) -> String {
    let text = rfc3339(at);
    text.split(['T', 'Z']).nth(1).unwrap_or_default().to_owned()
}

/// `23:45`
pub(super) fn minute(at: WallTime) -> String {
    clock(at).rsplit_once(':').map(|(minute, _)| minute.to_owned()).unwrap_or_default()
}

/// `3 days`, `2 h 5 min`, `40 s`: the one or two largest units.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (1, 0, _) => "1 day".to_owned(),
        (1, hours, _) => format!("1 day {hours} h"),
        (2.., ..) => format!("{days} days"),
        (_, 1.., 0) => format!("{hours} h"),
        (_, 1.., minutes) => format!("{hours} h {minutes} min"),
        (_, _, 1..) => format!("{minutes} min"),
        _ => format!("{seconds} s"),
    }
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01. Years begin in March
/// here, so that the odd day of a leap year is the last one.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let at = WallTime::from_millis(seconds * 1_000 + 999);
            assert_eq!(rfc3339(at), text);
        }
        let at = WallTime::from_millis(1_735_689_599_000);
        assert_eq!((day(at), clock(at)), ("2024-12-31".into(), "23:59:59".into()));
        assert_eq!(minute(at), "23:59");
    }

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_600, "1 h"),
            (7_500, "2 h 5 min"),
            (86_400, "1 day"),
            (97_300, "1 day 3 h"),
            (1_000_000, "11 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
