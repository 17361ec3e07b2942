//! What the admin listener answers: pure, from method, path and query.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode, Uri};
use serde_json::{Map, Value, json};

use super::host;
use super::readiness::Readiness;
use super::status::{Refresh, Status};
use crate::answer;
use crate::oauth::error::ErrorCode;
use crate::telemetry::Metrics;

/// What the answers are made from.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) readiness: Readiness,
    pub(super) metrics: &'static Metrics,
    pub(super) status: Option<Status>,
}

/// What is read of a request.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) target: &'a Uri,
    pub(super) host: Option<&'a HeaderValue>,
}

impl Routes {
    /// The answer to one request.
    pub(super) fn answer(&self, asked: &Asked<'_>) -> Response<Bytes> {
        let path = asked.target.path();
        let status = self.status.as_ref().filter(|_| matches!(path, "/status" | "/status.json"));
        if status.is_none() && !matches!(path, "/livez" | "/readyz" | "/startupz" | "/metrics") {
            return answer::refusal(ErrorCode::NotFound, "there is no such page here");
        }
        if asked.method != Method::GET && asked.method != Method::HEAD {
            let refusal = answer::refusal(ErrorCode::MethodNotAllowed, "only GET and HEAD");
            return answer::with_allow(refusal, "GET, HEAD");
        }
        if let Some(status) = status {
            return self.status(status, asked);
        }
        match path {
            "/livez" => state(&Readiness::new(), Detail::Short),
            "/metrics" => self.metrics(),
            _ => state(&self.readiness, Detail::wanted(asked.target.query())),
        }
    }

    fn metrics(&self) -> Response<Bytes> {
        self.metrics.ready(self.readiness.verdicts().iter().all(|&(_, holds)| holds));
        let text = self.metrics.render();
        reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
    }

    fn status(&self, status: &Status, asked: &Asked<'_>) -> Response<Bytes> {
        if !host::is_nobodys_name(asked.host) {
            let words = "ask for this page by address or as localhost: another name could be \
                         anybody's";
            return answer::refusal(ErrorCode::InvalidRequest, words);
        }
        let checks = self.readiness.verdicts();
        if asked.target.path() == "/status.json" {
            return status.json(&checks, self.metrics);
        }
        let refresh =
            if asked.target.query() == Some("pause") { Refresh::Paused } else { Refresh::Itself };
        status.page(&checks, self.metrics, refresh)
    }
}

/// How much a probe wants to know.
#[derive(Clone, Copy, PartialEq)]
enum Detail {
    Short,
    Verbose,
}

impl Detail {
    fn wanted(query: Option<&str>) -> Self {
        let mut names =
            query.unwrap_or_default().split('&').map(|part| part.split('=').next().unwrap_or(part));
        if names.any(|name| name == "verbose") { Self::Verbose } else { Self::Short }
    }
}

/// 200 `{"status":"ok"}` where all checks hold, else 503 `{"status":"unavailable"}`; on demand with
/// `checks`, `reasons` for those that fail, and `information` where there is some.
fn state(readiness: &Readiness, detail: Detail) -> Response<Bytes> {
    let verdicts = readiness.verdicts();
    let (status, word) = if verdicts.iter().all(|&(_, holds)| holds) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    let body = match detail {
        Detail::Short => json!({ "status": word }),
        Detail::Verbose => {
            let by_name = |verdicts: Vec<(&'static str, bool)>| -> Map<String, Value> {
                verdicts.into_iter().map(|(name, holds)| (name.to_owned(), holds.into())).collect()
            };
            let (checks, reasons) = (by_name(verdicts), readiness.reasons());
            match by_name(readiness.facts()) {
                facts if facts.is_empty() => {
                    json!({ "status": word, "checks": checks, "reasons": reasons })
                }
                facts => json!({
                    "status": word, "checks": checks, "reasons": reasons, "information": facts,
                }),
            }
        }
    };
    reply(status, "application/json", body.to_string())
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::super::readiness::Latch;
    use super::*;
    use crate::telemetry::meter;

    fn routes(latch: &Latch) -> Routes {
        let readiness = Readiness::new().latch("listener", latch);
        let readiness = readiness.because("it does not listen yet").check("store", || true);
        Routes { readiness, metrics: meter(), status: None }
    }

    fn answered(routes: &Routes, method: &Method, target: &str) -> Response<Bytes> {
        routes.answer(&Asked { method, target: &target.parse().unwrap(), host: None })
    }

    fn ask(routes: &Routes, method: &Method, target: &str) -> (u16, String) {
        let answer = answered(routes, method, target);
        (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap())
    }

    #[test]
    fn ready_once_every_check_holds() {
        let latch = Latch::new();
        let routes = routes(&latch);
        let get = |target| ask(&routes, &Method::GET, target);
        assert_eq!(get("/livez"), (200, r#"{"status":"ok"}"#.into()));
        assert_eq!(get("/readyz"), (503, r#"{"status":"unavailable"}"#.into()));
        assert_eq!(get("/startupz").0, 503);
        let (_, reasons) = get("/readyz?verbose");
        assert_eq!(
            serde_json::from_str::<Value>(&reasons).unwrap(),
            json!({
                "status": "unavailable",
                "checks": {"listener": false, "store": true},
                "reasons": ["it does not listen yet"],
            })
        );
        latch.set();
        assert_eq!(get("/readyz").0, 200);
        assert_eq!(get("/startupz?verbose=1").0, 200);
    }

    #[test]
    fn facts_are_told_and_decide_nothing() {
        let readiness = Readiness::new().check("store", || true).fact("last_reload", || false);
        let routes = Routes { readiness, metrics: meter(), status: None };
        assert_eq!(ask(&routes, &Method::GET, "/readyz"), (200, r#"{"status":"ok"}"#.into()));
        let (status, told) = ask(&routes, &Method::GET, "/readyz?verbose");
        assert_eq!(status, 200);
        assert_eq!(
            serde_json::from_str::<Value>(&told).unwrap(),
            json!({
                "status": "ok",
                "checks": {"store": true},
                "reasons": [],
                "information": {"last_reload": false},
            })
        );
    }

    #[test]
    fn metrics_are_prometheus_text() {
        let routes = routes(&Latch::new());
        let answer = answered(&routes, &Method::GET, "/metrics");
        let content_type = answer.headers()["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("text/plain; version=0.0.4"));
        assert!(answer.body().starts_with(b"# HELP parapet_"));
    }

    #[test]
    fn all_else_is_refused_in_json() {
        let routes = routes(&Latch::new());
        for target in ["/", "/livez/", "/status", "//livez", "/metrics.txt"] {
            let (status, body) = ask(&routes, &Method::GET, target);
            assert_eq!(status, 404, "{target}");
            assert!(serde_json::from_str::<Value>(&body).is_ok());
        }
        for method in [Method::POST, Method::OPTIONS, Method::DELETE] {
            let answer = answered(&routes, &method, "/livez");
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["allow"]),
                (405, &HeaderValue::from_static("GET, HEAD"))
            );
        }
        assert_eq!(ask(&routes, &Method::HEAD, "/livez").0, 200);
    }
}
