//! The longest request target that the upstream takes, found by halving, one request at a time.

use super::Finding;
use super::answer::Kind;
use super::authorize::Endpoint;
use super::prober::Prober;

/// Longest that is tried; `[upstream] max_target_bytes` goes no further.
const LONGEST: usize = 65_000;

/// How exactly it is found, in bytes.
const EXACT: usize = 16;

/// What cookies and other fields of a browser may need beside it, where a server counts them in.
const FOR_COOKIES: usize = 1024;

/// What is said of a target that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The line is too long: 400, 414, or no answer.
    Line,
    /// The whole head is (RFC 6585 §5): 431.
    Head,
}

pub(super) async fn look(prober: &Prober<'_>, endpoint: &Endpoint) -> Finding {
    const CHECK: &str = "authorize.target";
    let configured = prober.config.upstream.max_target_bytes;
    let base = prober.authorize_target(&endpoint.target);
    let Err(refusal) = taken(prober, endpoint, &base, LONGEST).await else {
        return Finding::good(CHECK, format!("takes targets of {LONGEST} bytes and more"));
    };
    let mut refused_by = refusal;
    let (mut takes, mut refuses) = (base.len(), LONGEST);
    // The configured length first: where it fits, half of the range is done with.
    let mut next = configured.clamp(takes + 1, refuses - 1);
    while refuses - takes > EXACT {
        match taken(prober, endpoint, &base, next).await {
            Ok(()) => takes = next,
            Err(refusal) => (refuses, refused_by) = (next, refusal),
        }
        next = takes.midpoint(refuses);
    }
    judged(CHECK, takes, configured, refused_by)
}

fn judged(check: &'static str, takes: usize, configured: usize, refusal: Refusal) -> Finding {
    let says = format!("takes targets of {takes} bytes; max_target_bytes is {configured}");
    let whole = match refusal {
        Refusal::Line => takes,
        Refusal::Head => takes.saturating_sub(FOR_COOKIES),
    };
    let safe = (whole / 100 * 100).max(256);
    if takes < configured {
        return Finding::problem(check, says)
            .advice("longer requests would be taken at the push and fail at the server")
            .line("upstream", "max_target_bytes", i64::try_from(safe).unwrap_or(256));
    }
    if safe < configured && refusal == Refusal::Head {
        return Finding::good(check, format!("{says}; the server counts cookies in"));
    }
    Finding::good(check, says)
}

/// Whether a target of this length gets the answer that a short one gets.
async fn taken(
    prober: &Prober<'_>,
    endpoint: &Endpoint,
    base: &str,
    length: usize,
) -> Result<(), Refusal> {
    const PADDING: &str = "&parapet_doctor=";
    let missing = length.saturating_sub(base.len() + PADDING.len());
    let target = format!("{base}{PADDING}{}", "x".repeat(missing));
    match prober.get(&target).await {
        Ok(answer) if Kind::of(&answer) == endpoint.kind => Ok(()),
        Ok(answer) if answer.status().as_u16() == 431 => Err(Refusal::Head),
        Ok(_) | Err(_) => Err(Refusal::Line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_bound_below_the_configured_one_is_a_problem() {
        for (takes, configured, refusal, verdict) in [
            (4080, 8000, Refusal::Line, Verdict::Problem),
            (4080, 4000, Refusal::Line, Verdict::Good),
            (16_320, 16_000, Refusal::Head, Verdict::Good),
            (100, 8000, Refusal::Head, Verdict::Problem),
        ] {
            assert_eq!(judged("t", takes, configured, refusal).verdict(), verdict, "{takes}");
        }
    }
}
