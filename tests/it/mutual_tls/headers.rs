//! Certificates in header fields: whom they are believed from, and every format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use parapet::client::certificate::header::{HeaderFault, read};
use parapet::config::ClientCertificateHeader as Header;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Lab, form, refused};
use crate::support::http::{encode, send};
use crate::support::tls::{Authority, Holder, client_config, named, push};
use crate::support::upstream::Upstream;

const FORM: &str = "application/x-www-form-urlencoded";

fn rfc9440(holder: &Holder) -> String {
    format!(":{}:", STANDARD.encode(holder.der()))
}

fn escaped(holder: &Holder) -> String {
    utf8_percent_encode(&holder.certificate.pem(), NON_ALPHANUMERIC).to_string()
}

fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// Pushes over plain HTTP, as a peer that ends TLS does.
async fn pushed(
    url: &str,
    client_id: &str,
    pairs: &[(&str, &str)],
) -> crate::support::http::Answer {
    let mut request = Request::post(format!("{url}/par")).header("content-type", FORM);
    request = request.header("x-forwarded-proto", "https");
    for (name, value) in pairs {
        request = request.header(*name, *value);
    }
    send(request.body(encode(&form(client_id)).into()).unwrap()).await
}

#[test]
fn b199_every_format_shows_the_same_certificate() {
    let authority = Authority::new("a");
    let holder = authority.sign(&named("app"));
    let issuer = Holder::self_signed(&named("issuer"));
    let (one, two) = (escaped(&holder), escaped(&issuer));
    let bare = |holder: &Holder| STANDARD.encode(holder.der());
    let xfcc =
        format!("Hash=ab;Cert=\"{two}\",By=spiffe://x;Hash=cd;Cert=\"{one}\";Subject=\"a,b\"");
    let chained = format!("Chain=\"{one}{two}\";Cert=\"{one}\"");
    let both = format!("{},{}", bare(&holder), bare(&issuer));
    let leaf = rfc9440(&holder);
    let issuer_item = rfc9440(&issuer);
    let aws = holder.certificate.pem().replace('\n', "%0A").replace(' ', "%20");
    for (header, pairs, length) in [
        (Header::ClientCert, vec![("client-cert", leaf.as_str())], 1),
        (
            Header::ClientCert,
            vec![("client-cert", leaf.as_str()), ("client-cert-chain", issuer_item.as_str())],
            2,
        ),
        (Header::Xfcc, vec![("x-forwarded-client-cert", xfcc.as_str())], 1),
        (Header::Xfcc, vec![("x-forwarded-client-cert", chained.as_str())], 2),
        (
            Header::SslClientCert,
            vec![("ssl-client-cert", one.as_str()), ("ssl-client-verify", "SUCCESS")],
            1,
        ),
        (Header::XAmznMtlsClientcert, vec![("x-amzn-mtls-clientcert", aws.as_str())], 1),
        (Header::XAmznMtlsClientcertLeaf, vec![("x-amzn-mtls-clientcert-leaf", aws.as_str())], 1),
        (Header::XForwardedTlsClientCert, vec![("x-forwarded-tls-client-cert", both.as_str())], 2),
    ] {
        let shown = read(header, &fields(&pairs)).unwrap().unwrap();
        assert_eq!((shown.chain.len(), &shown.chain[0]), (length, holder.der()), "{header:?}");
        // AWS passes whole chains through unverified.
        assert_eq!(shown.verified, header != Header::XAmznMtlsClientcert, "{header:?}");
        assert_eq!(read(header, &HeaderMap::new()), Ok(None), "{header:?}");
        let twice: Vec<_> = [&pairs[..1], &pairs[..1]].concat();
        if header != Header::Xfcc {
            assert_eq!(read(header, &fields(&twice)), Err(HeaderFault::Repeated), "{header:?}");
        }
        for odd in
            [":", "::", "a", ":%:", "%", "%00", "Cert=", "Cert=\"", "Hash=a", ",", ";", "=", "\"é"]
        {
            let headers = fields(&[(pairs[0].0, odd)]);
            let outcome = read(header, &headers);
            assert!(
                outcome.is_err() || header == Header::XForwardedTlsClientCert,
                "{header:?} {odd}"
            );
        }
    }
}

#[test]
fn b238_what_looks_like_a_certificate_is_looked_at_closely() {
    let holder = Holder::self_signed(&named("app"));
    let bare = || STANDARD.encode(holder.der());
    let one = escaped(&holder);
    let token = fields(&[("client-cert", &bare())]);
    assert_eq!(read(Header::ClientCert, &token), Err(HeaderFault::Malformed));
    let many = vec![bare(); 11].join(",");
    let many = fields(&[("x-forwarded-tls-client-cert", &many)]);
    assert_eq!(read(Header::XForwardedTlsClientCert, &many), Err(HeaderFault::TooMany));
    let failed = fields(&[("ssl-client-cert", &one), ("ssl-client-verify", "FAILED:expired")]);
    assert!(!read(Header::SslClientCert, &failed).unwrap().unwrap().verified);
}

#[tokio::test]
async fn b199_b200_a_trusted_peer_speaks_for_the_client() {
    let lab = Lab::new();
    let toml = "trusted_proxies = [\"127.0.0.1\"]\nclient_certificate_header = \"client-cert\"";
    let gateway = lab.gateway(toml).await;
    // Nobody configured an authority, so the peer's word counts.
    let app = rfc9440(&Holder::self_signed(&named("app")));
    let answer = pushed(&gateway.url, "dn", &[("client-cert", &app)]).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let answer = pushed(&gateway.url, "own", &[("client-cert", &rfc9440(&lab.own))]).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    refused(&pushed(&gateway.url, "own", &[("client-cert", &app)]).await);
    refused(&pushed(&gateway.url, "dn", &[("x-forwarded-client-cert", &app)]).await);
}

#[tokio::test]
async fn b238_what_cannot_be_read_proves_nobody_and_harms_nobody_else() {
    let lab = Lab::new();
    let gateway = lab
        .gateway(&format!(
            "trusted_proxies = [\"127.0.0.1\"]\nclient_certificate_header = \"client-cert\"\n\
             [server.tls]\n{}",
            lab.files()
        ))
        .await;
    let app = lab.authority.sign(&named("app"));
    let other = lab.authority.sign(&named("other"));
    let outsider = Holder::self_signed(&named("app"));
    let config = |holder| client_config(&lab.authority, holder);
    let url = &gateway.url;
    let (shown, fitting, foreign) = (rfc9440(&other), rfc9440(&app), rfc9440(&outsider));
    for (holder, pairs) in [
        (None, vec![("client-cert", "nonsense")]),
        (None, vec![("client-cert", ":AAAA:")]),
        (None, vec![("client-cert", fitting.as_str()), ("client-cert", fitting.as_str())]),
        (None, vec![("client-cert", fitting.as_str()), ("client-cert-chain", "(a")]),
        (Some(&app), vec![("client-cert", shown.as_str())]),
        (Some(&app), vec![("client-cert", "nonsense")]),
        // The authorities of [server.tls] hold for header fields too.
        (None, vec![("client-cert", foreign.as_str())]),
    ] {
        refused(&push(url, config(holder), &form("dn"), &pairs).await.unwrap());
        let mut form = form("secret");
        form.push(("client_secret", "web-secret"));
        let answer = push(url, config(holder), &form, &pairs).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{pairs:?} {}", answer.text());
    }
    for holder in [None, Some(&app)] {
        let pairs = [("client-cert", fitting.as_str())];
        let answer = push(url, config(holder), &form("dn"), &pairs).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
}

#[tokio::test]
async fn b202_nobody_else_is_believed_and_nothing_of_it_goes_upstream() {
    let lab = Lab::new();
    let upstream = Upstream::fine().await;
    let toml = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"https://login.example\"\n\
         trusted_proxies = [\"192.0.2.1\"]\nclient_certificate_header = \"ssl-client-cert\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://{}\"\n\
         authorization_path = \"/authorize\"\n{}",
        upstream.address,
        lab.clients()
    );
    let gateway = crate::support::gateway::Gateway::start(&toml).await;
    let app = Holder::self_signed(&named("app"));
    let (one, two) = (escaped(&app), rfc9440(&app));
    let pairs = [("ssl-client-cert", one.as_str()), ("client-cert", two.as_str())];
    refused(&pushed(&gateway.url, "dn", &pairs).await);
    let names = [
        "client-cert",
        "client-cert-chain",
        "x-forwarded-client-cert",
        "ssl-client-cert",
        "ssl-client-verify",
        "x-amzn-mtls-clientcert",
        "x-amzn-mtls-clientcert-leaf",
        "x-forwarded-tls-client-cert",
        "x-ssl-cert",
    ];
    let mut request = Request::get(format!("{}/token", gateway.url));
    for name in names {
        request = request.header(name, one.as_str());
    }
    send(request.body(bytes::Bytes::new()).unwrap()).await;
    let seen = upstream.seen();
    let token = seen.iter().find(|seen| seen.target == "/token").unwrap();
    for name in names {
        assert_eq!(token.field(name), None, "{name}");
    }
}

#[test]
fn b267_only_one_success_says_that_a_chain_was_looked_at() {
    let one = escaped(&Holder::self_signed(&named("app")));
    for (verdicts, verified) in [
        (&[][..], false),
        (&["SUCCESS"], true),
        (&["SUCCESS", "SUCCESS"], false),
        (&["SUCCESS", "NONE"], false),
        (&["NONE"], false),
        (&["FAILED:self-signed certificate"], false),
        (&["success"], false),
        (&["SUCCESS,SUCCESS"], false),
        (&[""], false),
    ] {
        let mut shown = vec![("ssl-client-cert", one.as_str())];
        shown.extend(verdicts.iter().map(|verdict| ("ssl-client-verify", *verdict)));
        let read = read(Header::SslClientCert, &fields(&shown)).unwrap().unwrap();
        assert_eq!(read.verified, verified, "{verdicts:?}");
    }
}

#[tokio::test]
async fn b267_without_the_verdict_of_nginx_a_certificate_proves_nothing() {
    let lab = Lab::new();
    let toml = "trusted_proxies = [\"127.0.0.1\"]\nclient_certificate_header = \"ssl-client-cert\"";
    let gateway = lab.gateway(toml).await;
    let app = escaped(&Holder::self_signed(&named("app")));
    let cert = ("ssl-client-cert", app.as_str());
    let good = pushed(&gateway.url, "dn", &[cert, ("ssl-client-verify", "SUCCESS")]).await;
    assert_eq!(good.status, StatusCode::CREATED, "{}", good.text());
    refused(&pushed(&gateway.url, "dn", &[cert]).await);
    refused(&pushed(&gateway.url, "dn", &[cert, ("ssl-client-verify", "NONE")]).await);
}
