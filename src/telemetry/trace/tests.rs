use std::sync::mpsc::{Receiver, sync_channel};

use super::sampler::Share;
use super::*;
use crate::clock::{ManualClock, Timestamp};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn tracer(sampler: Sampler) -> (&'static Tracer, Receiver<Message>) {
    let (spans, receiver) = sync_channel(16);
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(5)));
    (Box::leak(Box::new(Tracer { sampler, spans, clock })), receiver)
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(context::TRACEPARENT, HeaderValue::from_static(PARENT));
    headers.insert(context::TRACESTATE, HeaderValue::from_static("a=1"));
    headers
}

fn ending(name: &'static str) -> Ending {
    Ending { name: name.into(), attributes: Vec::new(), failure: None }
}

fn recorded(receiver: &Receiver<Message>) -> Vec<Span> {
    let span = |message| match message {
        Message::Span(span) => *span,
        Message::Stop => panic!("nobody stops"),
    };
    receiver.try_iter().map(span).collect()
}

#[test]
fn without_a_collector_only_a_believed_trace_has_an_id_and_fields_pass() {
    let stranger = Trace::begun(None, &headers(), Caller::Stranger);
    assert_eq!((stranger.id(), stranger.outgoing()), (None, None));
    let mut believed = Trace::begun(None, &headers(), Caller::Believed);
    assert_eq!(believed.id().unwrap().to_string(), PARENT[3..35]);
    believed.upstream_begins();
    assert_eq!(believed.outgoing(), None);
    believed.end(|| panic!("nothing is recorded"));
}

#[test]
fn a_believed_parent_is_carried_on_and_a_stranger_begins_anew() {
    let (tracer, receiver) = tracer(Sampler::default());
    let mut believed = Trace::begun(Some(tracer), &headers(), Caller::Believed);
    believed.upstream_begins();
    let (parent, state) = believed.outgoing().unwrap();
    let told = TraceContext::parse(parent.as_bytes()).unwrap();
    assert_eq!(state.unwrap(), "a=1");
    believed.upstream_ends(|| ending("GET"));
    believed.upstream_ends(|| ending("again"));
    believed.end(|| ending("GET /authorize"));
    let [upstream, server] = &recorded(&receiver)[..] else { panic!("two spans") };
    assert_eq!((told.trace_id, told.span_id), (upstream.trace_id, upstream.span_id));
    assert_eq!(upstream.parent, Some(server.span_id));
    assert_eq!(server.trace_id.to_string(), PARENT[3..35]);
    assert_eq!(server.parent.unwrap().to_string(), PARENT[36..52]);
    assert_eq!((server.kind, upstream.kind), (Kind::Server, Kind::Client));

    let stranger = Trace::begun(Some(tracer), &headers(), Caller::Stranger);
    let (parent, state) = stranger.outgoing().unwrap();
    assert!(!parent.to_str().unwrap().contains(&PARENT[3..35]) && state.is_none());
    let mut broken = headers();
    broken.insert(context::TRACEPARENT, HeaderValue::from_static("00-x"));
    let (_, state) = Trace::begun(Some(tracer), &broken, Caller::Believed).outgoing().unwrap();
    assert_eq!(state, None, "a state without a parent means nothing");
}

#[test]
fn what_is_not_sampled_is_carried_on_but_not_recorded() {
    let (tracer, receiver) = tracer(Sampler { share: Share::None, follows_parent: false });
    let mut trace = Trace::begun(Some(tracer), &headers(), Caller::Believed);
    trace.upstream_begins();
    let (parent, _) = trace.outgoing().unwrap();
    let told = TraceContext::parse(parent.as_bytes()).unwrap();
    assert_eq!((told.trace_id.to_string().as_str(), told.sampled), (&PARENT[3..35], false));
    assert_ne!(told.span_id.to_string(), PARENT[36..52]);
    trace.upstream_ends(|| panic!("not recorded"));
    trace.end(|| panic!("not recorded"));
    assert!(recorded(&receiver).is_empty());
}

#[tokio::test]
async fn steps_nest_and_keep_what_is_said_of_them() {
    let (tracer, receiver) = tracer(Sampler::default());
    let trace = Trace::begun(Some(tracer), &HeaderMap::new(), Caller::Stranger);
    let work = async {
        note("parapet.event", "push.accepted");
        assert_eq!(current_id(), trace.id());
        step("store put", Kind::Internal, async { fail("full") }).await;
    };
    trace.within("push", work).await;
    let given_up = trace.within("redeem", std::future::pending::<()>());
    assert!(tokio::time::timeout(Duration::ZERO, given_up).await.is_err());
    assert_eq!(trace.around(current_id), trace.id());
    assert_eq!(current_id(), None);
    trace.end(|| ending("POST /par"));
    let [store, push, redeem, server] = &recorded(&receiver)[..] else { panic!("four spans") };
    assert_eq!(store.attributes, [("error.type", Value::from("full"))]);
    assert!(store.failed && !push.failed);
    assert_eq!(push.attributes, [("parapet.event", Value::from("push.accepted"))]);
    assert_eq!((store.parent, push.parent), (Some(push.span_id), Some(server.span_id)));
    assert_eq!((redeem.name.as_ref(), redeem.parent), ("redeem", Some(server.span_id)));
    assert_eq!((server.parent, server.start), (None, 5_000_000));
}

#[test]
fn a_full_queue_drops_and_blocks_nobody() {
    let (tracer, receiver) = tracer(Sampler::default());
    for _ in 0..50 {
        Trace::begun(Some(tracer), &HeaderMap::new(), Caller::Stranger).end(|| ending("GET"));
    }
    assert_eq!(recorded(&receiver).len(), 16);
}
