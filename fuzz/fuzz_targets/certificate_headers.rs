//! Certificate headers: the first byte chooses the format, the first line is the field, the second the
//! chain beside it. What can be read is parsed as a certificate too.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use parapet::client::certificate::header::read;
use parapet::config::{ClientCertificateHeader as Header, DistinguishedName};
use parapet_fuzz::in_time;

const FORMATS: [(Header, &str); 6] = [
    (Header::ClientCert, "client-cert"),
    (Header::Xfcc, "x-forwarded-client-cert"),
    (Header::SslClientCert, "ssl-client-cert"),
    (Header::XAmznMtlsClientcert, "x-amzn-mtls-clientcert"),
    (Header::XAmznMtlsClientcertLeaf, "x-amzn-mtls-clientcert-leaf"),
    (Header::XForwardedTlsClientCert, "x-forwarded-tls-client-cert"),
];

fuzz_target!(|input: &[u8]| in_time(input, |input| {
    let Some((first, rest)) = input.split_first() else { return };
    let (header, name) = FORMATS[usize::from(*first) % FORMATS.len()];
    let mut headers = HeaderMap::new();
    for (name, line) in [name, "client-cert-chain"].into_iter().zip(rest.split(|&b| b == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    if let Ok(Some(shown)) = read(header, &headers) {
        assert!(!shown.chain.is_empty());
        for certificate in shown.chain {
            let _ = DistinguishedName::from_der(&certificate);
        }
    }
    let _ = DistinguishedName::parse(&String::from_utf8_lossy(rest));
}));
