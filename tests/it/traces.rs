//! Traces over real sockets: what a collector gets, what the upstream is told, and what neither may
//! see.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::support::gateway::Gateway;
use crate::support::http::{Answer, get, post_form, send};
use crate::support::ports::free_port;
use crate::support::upstream::{Step, Upstream};

const REDIRECT_URI: &str = "https://client.example/cb";
const SECRET: &str = "planted-client-secret-8841";
const STATE: &str = "planted-state-7719";
const HINT: &str = "planted-hint@person.example";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn toml(upstream: &Upstream, server: &str) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"http://127.0.0.1:8080\"\n{server}\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://{}\"\n\
         [[clients]]\nclient_id = \"app\"\nauthentication = \"client_secret_basic\"\n\
         secret = \"{SECRET}\"\nredirect_uris = [\"{REDIRECT_URI}\"]\n",
        upstream.address
    )
}

const TRUSTING: &str = "trusted_proxies = [\"127.0.0.1/32\"]";

/// Sends the browser to the client from its authorization endpoint.
async fn upstream() -> Upstream {
    Upstream::scripted(|seen| {
        let document = "{\"issuer\":\"http://127.0.0.1:8080\",\
                        \"authorization_endpoint\":\"http://127.0.0.1:8080/authorize\"}";
        let answer = if seen.target.contains("/.well-known/") {
            let length = document.len();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{document}")
        } else if seen.target.starts_with("/authorize") {
            format!(
                "HTTP/1.1 302 Found\r\nlocation: {REDIRECT_URI}?code=planted-code&state={STATE}\
                 \r\ncontent-length: 0\r\n\r\n"
            )
        } else {
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()
        };
        vec![Step::Bytes(answer.into_bytes())]
    })
    .await
}

async fn collector() -> Upstream {
    Upstream::answering(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
    )
    .await
}

async fn started(toml: &str, collector: &str, more: &[(&str, &str)]) -> Gateway {
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20planted-token"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    variables.extend_from_slice(more);
    let gateway = Gateway::start_with(toml, &variables).await;
    let metadata = get(&format!("{}/.well-known/openid-configuration", gateway.url)).await;
    assert_eq!(metadata.status, 200, "{}", metadata.text());
    gateway
}

/// What came, by the official schema.
fn batches(collector: &Upstream) -> Vec<ExportTraceServiceRequest> {
    let seen = collector.seen().into_iter();
    seen.map(|seen| ExportTraceServiceRequest::decode(&seen.body[..]).unwrap()).collect()
}

fn spans(collector: &Upstream) -> Vec<Span> {
    let resources = batches(collector).into_iter().flat_map(|batch| batch.resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    let value = found.value.as_ref()?.value.as_ref()?;
    if let Value::IntValue(number) = value {
        return Some(number.to_string());
    }
    let Value::StringValue(text) = value else { panic!("{name}: {value:?}") };
    Some(text.clone())
}

fn id(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

async fn push(gateway: &Gateway) -> Answer {
    let form = [
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("state", STATE),
        ("login_hint", HINT),
    ];
    post_form(&format!("{}/par", gateway.url), &form, Some(("app", SECRET))).await
}

async fn asked(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(format!("{}{path}", gateway.url));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    send(request.body(Bytes::new()).unwrap()).await
}

/// Waits until the collector has a span for which `wanted` holds.
async fn until(collector: &Upstream, wanted: impl Fn(&Span) -> bool) -> Span {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(span) = spans(collector).into_iter().find(|span| wanted(span)) {
            return span;
        }
        assert!(Instant::now() < limit, "no such span: {:#?}", spans(collector));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What was seen of one login and of a request that passed through.
struct Login {
    upstream: Upstream,
    collector: Upstream,
    request_uri: String,
    output: String,
    spans: Vec<Span>,
}

impl Login {
    fn span(&self, name: &str) -> &Span {
        let found: Vec<_> = self.spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name} in {:#?}", self.spans);
        found[0]
    }

    /// The call of the upstream, made for the visit of its authorization endpoint.
    fn upstream_call(&self) -> &Span {
        let parent = &self.span("GET /authorize").span_id;
        let is_call = |span: &&Span| span.kind == 3 && span.parent_span_id == *parent;
        self.spans.iter().find(is_call).expect("the call of the upstream")
    }
}

async fn login() -> Login {
    let (upstream, collector) = (upstream().await, collector().await);
    let address = format!("http://{}/", collector.address);
    let more = [("OTEL_SERVICE_NAME", "front-door"), ("OTEL_BSP_SCHEDULE_DELAY", "60000")];
    let gateway = started(&toml(&upstream, ""), &address, &more).await;
    let pushed = push(&gateway).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let request_uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let visit = format!("/authorize?client_id=app&request_uri={request_uri}");
    assert_eq!(asked(&gateway, &visit, &[]).await.status, 302);
    let path = "/reset/planted-path?q=planted-query";
    let passed = asked(&gateway, path, &[("cookie", "a=planted-cookie")]).await;
    assert_eq!(passed.status, 200);

    assert!(collector.seen().is_empty(), "they wait a minute");
    let (status, output) = gateway.stop();
    assert!(status.success(), "{output}");
    let spans = spans(&collector);
    Login { upstream, collector, request_uri, output, spans }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_redeem_upstream_and_store_are_spans() {
    let login = login().await;
    let named = |name| login.span(name);
    let (par, push) = (named("POST /par"), named("push"));
    let (authorize, redeem, departure) =
        (named("GET /authorize"), named("redeem"), named("departure"));
    for (child, parent) in [
        (push, par),
        (named("store put"), push),
        (redeem, authorize),
        (named("store start"), redeem),
        (departure, authorize),
        (named("store spend"), departure),
    ] {
        assert_eq!(child.trace_id, parent.trace_id, "{}", child.name);
        assert_eq!(child.parent_span_id, parent.span_id, "{}", child.name);
        assert!(child.start_time_unix_nano <= child.end_time_unix_nano);
    }
    assert_ne!(par.trace_id, authorize.trace_id);
    assert!(par.parent_span_id.is_empty() && par.kind == 2);
    let upstream_call = login.upstream_call();
    assert_eq!(attribute(upstream_call, "http.response.status_code").unwrap(), "302");
    assert_eq!(attribute(upstream_call, "server.address").unwrap(), "127.0.0.1");
    assert_eq!(attribute(par, "http.route").unwrap(), "/par");
    assert_eq!(attribute(par, "server.address").unwrap(), "127.0.0.1");
    assert_eq!(attribute(par, "server.port").unwrap(), "8080");
    assert_eq!(attribute(par, "http.request.method").unwrap(), "POST");
    assert_eq!(attribute(par, "http.response.status_code").unwrap(), "201");
    assert_eq!(attribute(push, "parapet.event").unwrap(), "push.accepted");
    assert_eq!(attribute(departure, "parapet.event").unwrap(), "completion.code");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstream_and_logs_name_the_trace_and_no_batch_holds_what_was_pushed() {
    let login = login().await;
    let Login { upstream, collector, output, .. } = &login;
    let (authorize, upstream_call) = (login.span("GET /authorize"), login.upstream_call());
    let told = upstream.seen().into_iter().find(|seen| seen.target.starts_with("/authorize"));
    let told = told.unwrap().field("traceparent").unwrap().to_owned();
    let (trace, span) = (id(&authorize.trace_id), id(&upstream_call.span_id));
    assert_eq!(told, format!("00-{trace}-{span}-01"));
    assert!(output.contains(&format!("\"trace_id\":\"{trace}\"")), "{output}");
    let audit = output.lines().find(|line| line.contains("push.accepted")).unwrap();
    assert!(audit.contains(&id(&login.span("POST /par").trace_id)), "{audit}");

    let reference = &login.request_uri["urn:ietf:params:oauth:request_uri:".len()..];
    assert!(reference.len() > 20, "{reference}");
    let secrets = ["planted", reference, "request_uri", "person.example", "client.example"];
    assert_unseen(collector, &secrets);
    let batch = &collector.seen()[0];
    assert_eq!((batch.method.as_str(), batch.target.as_str()), ("POST", "/v1/traces"));
    assert_eq!(batch.field("content-type"), Some("application/x-protobuf"));
    assert_eq!(batch.field("authorization"), Some("Bearer planted-token"));
    assert!(!output.contains("planted-token"), "{output}");
    let resource = batches(collector)[0].resource_spans[0].resource.clone().unwrap();
    let resource: HashMap<_, _> =
        resource.attributes.into_iter().map(|pair| (pair.key, pair.value)).collect();
    let service = resource["service.name"].clone().unwrap().value.unwrap();
    assert_eq!(service, Value::StringValue("front-door".to_owned()));
}

/// None of these stands anywhere in what was sent to the collector.
fn assert_unseen(collector: &Upstream, secrets: &[&str]) {
    for batch in collector.seen() {
        for secret in secrets {
            let found = batch.body.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_parent_is_taken_and_anybody_elses_is_not() {
    let (upstream, collector) = (upstream().await, collector().await);
    let address = format!("http://{}", collector.address);
    let fields = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    for (server, is_believed) in [(TRUSTING, true), ("", false)] {
        let gateway = started(&toml(&upstream, server), &address, &[]).await;
        let path = format!("/path-of-{is_believed}");
        assert_eq!(asked(&gateway, &path, &fields).await.status, 200);
        let seen = upstream.until(|seen| seen.target == path).await;
        let told = seen.field("traceparent").unwrap();
        assert_eq!(told.contains(TRACE_ID), is_believed, "{told}");
        assert!(!told.contains("00f067aa0ba902b7"), "{told}");
        assert_eq!(seen.field("tracestate").is_some(), is_believed);
        let trace = told[3..35].to_owned();
        let server = until(&collector, |span| span.kind == 2 && id(&span.trace_id) == trace).await;
        let parent = if is_believed { "00f067aa0ba902b7" } else { "" };
        assert_eq!(id(&server.parent_span_id), parent);
        assert_eq!(server.name, "GET");
        assert_eq!(attribute(&server, "http.route"), None);
        assert_eq!(gateway.output().contains(TRACE_ID), is_believed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_collector_the_fields_pass_as_they_are() {
    let upstream = upstream().await;
    let fields = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    for (server, is_believed) in [(TRUSTING, true), ("", false)] {
        let gateway = Gateway::start(&toml(&upstream, server)).await;
        let path = format!("/path-of-{is_believed}");
        assert_eq!(asked(&gateway, &path, &fields).await.status, 200);
        let seen = upstream.until(|seen| seen.target == path).await;
        assert_eq!(seen.field("traceparent"), Some(PARENT));
        assert_eq!(seen.field("tracestate"), Some("vendor=1"));
        let (_, output) = gateway.stop();
        assert_eq!(output.contains(&format!("\"trace_id\":\"{TRACE_ID}\"")), is_believed);
        let bare = Gateway::start(&toml(&upstream, server)).await;
        assert_eq!(asked(&bare, "/bare", &[]).await.status, 200);
        assert_eq!(upstream.until(|seen| seen.target == "/bare").await.field("traceparent"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_down_or_says_nothing_harms_no_request() {
    let upstream = upstream().await;
    let silent = Upstream::scripted(|_| vec![Step::Await(std::sync::Arc::default())]).await;
    let down = format!("http://127.0.0.1:{}", free_port());
    for address in [down, format!("http://{}", silent.address)] {
        let more = [
            ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
            ("OTEL_TRACES_SAMPLER", "strange"),
        ];
        let gateway = started(&toml(&upstream, ""), &address, &more).await;
        let began = Instant::now();
        for _ in 0..20 {
            assert_eq!(asked(&gateway, "/x", &[]).await.status, 200);
            assert_eq!(push(&gateway).await.status, 201);
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let limit = Instant::now() + Duration::from_secs(20);
        let admin = format!("{}/metrics", gateway.admin_url.as_ref().unwrap());
        let is_counted = async || {
            let metrics = get(&admin).await.text();
            let name = "parapet_trace_spans_dropped_total ";
            let line = metrics.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
            line.unwrap().parse::<f64>().unwrap() > 20.0
        };
        while !is_counted().await || !gateway.output().contains("traces are lost") {
            assert!(Instant::now() < limit, "{}", gateway.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let began = Instant::now();
        let (status, output) = gateway.stop();
        assert!(status.success() && began.elapsed() < Duration::from_secs(9), "{output}");
        assert!(output.contains("OTEL_TRACES_SAMPLER"), "{output}");
        assert_eq!(output.matches("traces are lost").count(), 1, "{output}");
    }
}
