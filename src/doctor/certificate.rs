//! How long certificates are still good: the upstream's, and those in files of ours.

use std::path::Path;

use rustls::pki_types::CertificateDer;

use super::Finding;
use crate::config::Config;
use crate::upstream::tls;

/// Days before the end at which it is time.
const SOON: i64 = 21;

const DAY: i64 = 86_400;

/// Every certificate that the configuration names.
pub(super) fn look(config: &Config, now: u64) -> Vec<Finding> {
    let server = &config.server;
    let listeners = server.tls.iter().chain(server.mtls.iter().map(|mtls| &mtls.tls));
    let mut files: Vec<&Path> = Vec::new();
    for listener in listeners {
        files.push(&listener.certificate);
        files.extend(listener.client_ca.as_deref());
    }
    let upstream = &config.upstream.tls;
    files.extend(upstream.ca.as_deref());
    files.extend(upstream.client_identity.as_ref().map(|(certificate, _)| certificate.as_path()));
    if let Some(redis) = config.store.redis.as_ref().and_then(|redis| redis.tls.as_ref()) {
        files.extend(redis.ca_file.as_deref());
        files.extend(redis.client.as_ref().map(|(certificate, _)| certificate.as_path()));
    }
    files.extend(config.client_keys.ca.as_deref());
    files.sort_unstable();
    files.dedup();
    files.into_iter().map(|file| of_file(file, now)).collect()
}

/// The one in the file that ends first.
fn of_file(file: &Path, now: u64) -> Finding {
    const CHECK: &str = "certificates";
    let name = file.display().to_string();
    match tls::certificates(file) {
        Err(error) => Finding::problem(CHECK, format!("cannot be read: {error}")),
        Ok(certificates) => {
            let ends_first = certificates.iter().min_by_key(|one| end(one).unwrap_or(i64::MIN));
            match ends_first {
                Some(certificate) => finding(CHECK, &name, certificate, now),
                None => Finding::problem(CHECK, format!("{name} holds no certificate")),
            }
        }
    }
}

/// What is to be said of one certificate.
pub(super) fn finding(
    check: &'static str,
    whose: &str,
    certificate: &CertificateDer<'_>,
    now: u64,
) -> Finding {
    let Ok((_, read)) = x509_parser::parse_x509_certificate(certificate) else {
        return Finding::problem(check, format!("the certificate of {whose} cannot be read"));
    };
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let (begin, end) = (read.validity().not_before, read.validity().not_after);
    let left = end.timestamp().saturating_sub(now);
    if begin.timestamp() > now {
        return Finding::problem(check, format!("{whose} is not good before {begin}"));
    }
    match left.div_euclid(DAY) {
        ..0 => Finding::problem(check, format!("{whose} expired on {end}")).advice("renew it"),
        days @ 0..SOON => {
            Finding::warning(check, format!("{whose} expires in {days} days, on {end}"))
                .advice("renew it in time")
        }
        days => Finding::good(check, format!("{whose} is good for {days} days, until {end}")),
    }
}

fn end(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(read.validity().not_after.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn certificates_are_judged_by_their_end() {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2020, 3, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        for (day, verdict) in [
            (-1, Verdict::Problem),
            (1, Verdict::Good),
            (45, Verdict::Warning),
            (70, Verdict::Problem),
        ] {
            let now = u64::try_from(1_577_836_800 + day * DAY).unwrap();
            assert_eq!(finding("c", "it", certificate.der(), now).verdict(), verdict, "{day}");
        }
        assert_eq!(finding("c", "it", &vec![1].into(), 0).verdict(), Verdict::Problem);
    }
}
