//! `parapet healthcheck`: asks a running gateway how it is, for images that have no shell and no
//! HTTP client of their own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};

use crate::config::UpstreamTls;
use crate::upstream::tls::TlsError;
use crate::upstream::{CallError, Caller};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `/readyz`: may it get requests?
    Ready,
    /// `/livez`: does it run?
    Live,
}

impl Question {
    const fn path(self) -> &'static str {
        match self {
            Self::Ready => "/readyz",
            Self::Live => "/livez",
        }
    }
}

/// Why the gateway is not well, in one line.
#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    /// It says so itself; the body names the reasons.
    #[error("{url} answers {status}: {reasons}")]
    Says {
        /// What was asked.
        url: String,
        /// Not 200.
        status: StatusCode,
        /// The first bytes of the answer, on one line.
        reasons: String,
    },
    /// It says nothing.
    #[error("{url} {error}")]
    Silent {
        /// What was asked.
        url: String,
        /// Why there is no answer.
        error: CallError,
    },
    /// `[admin] listen` is empty.
    #[error("the configuration turns the private listener off ([admin] listen = \"\")")]
    NoListener,
    /// `[admin] listen` has port 0.
    #[error("[admin] listen leaves the port to the system; say --url")]
    AnyPort,
    /// Not an address.
    #[error("{0:?} is no http URL")]
    Url(String),
    /// No TLS for an https URL.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Most bytes of an answer that are shown.
const SHOWN: usize = 300;

/// The address at which a gateway that listens at `admin` is asked from the same machine.
///
/// # Errors
/// [`Unwell::NoListener`], [`Unwell::AnyPort`]
pub fn url_of(admin: Option<SocketAddr>) -> Result<String, Unwell> {
    let mut address = admin.ok_or(Unwell::NoListener)?;
    if address.port() == 0 {
        return Err(Unwell::AnyPort);
    }
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    Ok(format!("http://{address}"))
}

/// Asks the private listener at `url` and waits at most `timeout`. A `url` with a path is asked as it
/// stands.
///
/// # Errors
/// [`Unwell`]
pub async fn ask(url: &str, question: Question, timeout: Duration) -> Result<(), Unwell> {
    let target: Uri = url.parse().map_err(|_| Unwell::Url(url.to_owned()))?;
    if !matches!(target.scheme_str(), Some("http" | "https")) {
        return Err(Unwell::Url(url.to_owned()));
    }
    let url = match target.path() {
        "" | "/" => format!("{}{}?verbose", url.trim_end_matches('/'), question.path()),
        _ => url.to_owned(),
    };
    let request = Request::get(&url).body(Bytes::new()).map_err(|_| Unwell::Url(url.clone()))?;
    let caller = Caller::new(&UpstreamTls::default(), timeout)?;
    match caller.send(request).await {
        Ok(answer) if answer.status() == StatusCode::OK => Ok(()),
        Ok(answer) => {
            Err(Unwell::Says { url, status: answer.status(), reasons: one_line(answer.body()) })
        }
        Err(error) => Err(Unwell::Silent { url, error }),
    }
}

/// The beginning of a body, fit for a terminal.
fn one_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(body)).into_owned();
    let text = text.replace(|letter: char| letter.is_control(), " ");
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_asked_from_the_same_machine() {
        for (listen, url) in [
            ("127.0.0.1:9901", "http://127.0.0.1:9901"),
            ("0.0.0.0:9901", "http://127.0.0.1:9901"),
            ("[::]:9901", "http://[::1]:9901"),
            ("10.1.2.3:80", "http://10.1.2.3:80"),
        ] {
            assert_eq!(url_of(Some(listen.parse().unwrap())).unwrap(), url);
        }
        assert!(matches!(url_of(None), Err(Unwell::NoListener)));
        assert!(matches!(url_of(Some(([0, 0, 0, 0], 0).into())), Err(Unwell::AnyPort)));
    }

    #[test]
    fn an_answer_is_shown_on_one_line() {
        assert_eq!(one_line(b"a\r\n\x1b[31mb\n"), "a   [31mb");
        assert_eq!(one_line(&[b'a'; 1000]).len(), SHOWN);
    }
}
