//! What the admin listener answers: pure, from method, path and query.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode, Uri};
use serde_json::{Map, Value, json};

use super::readiness::Readiness;
use crate::answer;
use crate::oauth::error::ErrorCode;
use crate::telemetry::Metrics;

/// What the answers are made from.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) readiness: Readiness,
    pub(super) metrics: &'static Metrics,
}

impl Routes {
    /// The answer to one request.
    pub(super) fn answer(&self, method: &Method, target: &Uri) -> Response<Bytes> {
        let path = target.path();
        if !matches!(path, "/livez" | "/readyz" | "/startupz" | "/metrics") {
            return answer::refusal(ErrorCode::NotFound, "there is no such page here");
        }
        if method != Method::GET && method != Method::HEAD {
            let refusal = answer::refusal(ErrorCode::MethodNotAllowed, "only GET and HEAD");
            return answer::with_allow(refusal, "GET, HEAD");
        }
        match path {
            "/livez" => state(Vec::new(), Vec::new(), Detail::Short),
            "/metrics" => reply(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.metrics.render(),
            ),
            _ => {
                let (checks, facts) = (self.readiness.verdicts(), self.readiness.facts());
                state(checks, facts, Detail::wanted(target.query()))
            }
        }
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

type Verdicts = Vec<(&'static str, bool)>;

/// 200 `{"status":"ok"}` where all checks hold, else 503 `{"status":"unavailable"}`; with `checks`,
/// and `information` where there is some, on demand.
fn state(verdicts: Verdicts, facts: Verdicts, detail: Detail) -> Response<Bytes> {
    let (status, word) = if verdicts.iter().all(|&(_, holds)| holds) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    let body = match detail {
        Detail::Short => json!({ "status": word }),
        Detail::Verbose => {
            let by_name = |verdicts: Verdicts| -> Map<String, Value> {
                verdicts.into_iter().map(|(name, holds)| (name.to_owned(), holds.into())).collect()
            };
            let checks = by_name(verdicts);
            match by_name(facts) {
                facts if facts.is_empty() => json!({ "status": word, "checks": checks }),
                facts => json!({ "status": word, "checks": checks, "information": facts }),
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
        let readiness = Readiness::new().latch("listener", latch).check("store", || true);
        Routes { readiness, metrics: meter() }
    }

    fn ask(routes: &Routes, method: &Method, target: &str) -> (u16, String) {
        let answer = routes.answer(method, &target.parse().unwrap());
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
            json!({"status": "unavailable", "checks": {"listener": false, "store": true}})
        );
        latch.set();
        assert_eq!(get("/readyz").0, 200);
        assert_eq!(get("/startupz?verbose=1").0, 200);
    }

    #[test]
    fn facts_are_told_and_decide_nothing() {
        let readiness = Readiness::new().check("store", || true).fact("last_reload", || false);
        let routes = Routes { readiness, metrics: meter() };
        assert_eq!(ask(&routes, &Method::GET, "/readyz"), (200, r#"{"status":"ok"}"#.into()));
        let (status, told) = ask(&routes, &Method::GET, "/readyz?verbose");
        assert_eq!(status, 200);
        assert_eq!(
            serde_json::from_str::<Value>(&told).unwrap(),
            json!({
                "status": "ok",
                "checks": {"store": true},
                "information": {"last_reload": false},
            })
        );
    }

    #[test]
    fn metrics_are_prometheus_text() {
        let routes = routes(&Latch::new());
        let answer = routes.answer(&Method::GET, &"/metrics".parse().unwrap());
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
            let answer = routes.answer(&method, &"/livez".parse().unwrap());
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["allow"]),
                (405, &HeaderValue::from_static("GET, HEAD"))
            );
        }
        assert_eq!(ask(&routes, &Method::HEAD, "/livez").0, 200);
    }
}
