//! Is the upstream there, by which certificate, and what time does it think it is?

use http::Response;
use http::header::DATE;

use super::prober::Prober;
use super::{Finding, certificate};
use crate::clock::Clock;

/// Drift that is told of, and drift at which signed times fail (RFC 9449 §11.1), in seconds.
const NOTABLE: u64 = 5;
const HARMFUL: u64 = 30;

/// Whether anything else can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    Made,
    None,
}

pub(super) async fn look(prober: &Prober<'_>, clock: &dyn Clock) -> (Contact, Vec<Finding>) {
    const CHECK: &str = "upstream.reachable";
    let url = prober.config.upstream.url.origin();
    let begun = clock.now();
    let answer = prober.get("/").await;
    let took = clock.now().since(begun).as_millis();
    let now = clock.wall().as_secs();
    let mut findings = Vec::new();
    let contact = match &answer {
        Ok(answer) => {
            let status = answer.status().as_u16();
            findings.push(Finding::good(CHECK, format!("{url} answers {status} in {took} ms")));
            Contact::Made
        }
        Err(error) => {
            findings.push(Finding::problem(CHECK, format!("{url} {error}")).advice(advice(prober)));
            Contact::None
        }
    };
    if let Some(leaf) = prober.caller.shown().first() {
        findings.push(certificate::finding("upstream.certificate", &url, leaf, now));
    }
    if let Ok(answer) = &answer {
        findings.push(drift(answer, now));
    }
    (contact, findings)
}

fn advice(prober: &Prober<'_>) -> String {
    let upstream = &prober.config.upstream;
    if prober.caller.shown().is_empty() {
        "is the server running, and is [upstream] url its address?".to_owned()
    } else if upstream.tls.ca.is_none() {
        "if its authority is one of your own, name it in [upstream.tls] ca".to_owned()
    } else {
        "does [upstream.tls] ca hold the authority that signed its certificate?".to_owned()
    }
}

fn drift<B>(answer: &Response<B>, now: u64) -> Finding {
    const CHECK: &str = "upstream.clock";
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    let Some(there) = date.and_then(seconds_of) else {
        return Finding::skipped(CHECK, "its answers have no Date that can be read");
    };
    let (difference, side) = match now.checked_sub(there) {
        Some(behind) => (behind, "behind"),
        None => (there - now, "ahead of"),
    };
    let says = format!("its clock is {difference} s {side} ours");
    match difference {
        0..=1 => Finding::good(CHECK, "its clock agrees with ours"),
        2..NOTABLE => Finding::good(CHECK, says),
        NOTABLE..HARMFUL => Finding::warning(CHECK, says).advice("let both follow one time server"),
        HARMFUL.. => Finding::problem(CHECK, says)
            .advice("assertions and tokens of one side expire at the other; set the clocks"),
    }
}

/// Days from the first of March of the year 0 to the epoch, and one, as days of a month begin at 1.
const TO_EPOCH: u64 = 719_469;

/// Seconds since the epoch of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn seconds_of(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = date.split_once(", ")?.1.split_whitespace();
    let mut number = || words.next()?.parse::<u64>().ok();
    let day = number()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|known| *known == month)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut time = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if !(1970..10_000).contains(&year) || day > 31 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // The year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    let days = days.checked_sub(TO_EPOCH)?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn dates_are_read() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 0001 08:49:37 GMT", None),
            ("", None),
        ] {
            assert_eq!(seconds_of(date), seconds, "{date}");
        }
    }

    #[test]
    fn drift_is_judged_by_what_it_breaks() {
        let at = |date: &str| Response::builder().header(DATE, date).body(()).unwrap();
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (now, verdict) in [
            (784_111_777, Verdict::Good),
            (784_111_780, Verdict::Good),
            (784_111_770, Verdict::Warning),
            (784_111_807, Verdict::Problem),
        ] {
            assert_eq!(drift(&at(date), now).verdict(), verdict, "{now}");
        }
        assert_eq!(drift(&at("soon"), 0).verdict(), Verdict::Skipped);
    }
}
