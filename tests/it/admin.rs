//! The admin listener over real sockets.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use parapet::admin::{self, AdminError, Latch, Readiness};
use parapet::telemetry::meter;
use tokio::sync::watch;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// The whole answer to one request on a connection of its own.
fn ask(address: SocketAddr, request_line: &str) -> String {
    let mut stream = connect(address);
    let request = format!("{request_line} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn probes_and_metrics_are_served_until_shutdown() {
    let bound = admin::bind(ANY_PORT).unwrap();
    let address = bound.address();
    assert_ne!(address.port(), 0);
    let (stop, stopped) = watch::channel(false);
    let listener = Latch::new();
    let readiness = Readiness::new().latch("listener", &listener);
    let thread = bound.run(readiness, meter(), stopped).unwrap();

    assert!(ask(address, "GET /livez").starts_with("HTTP/1.1 200 "));
    let answer = ask(address, "GET /readyz?verbose");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains(r#""listener":false"#), "{answer}");
    listener.set();
    assert!(ask(address, "GET /readyz").starts_with("HTTP/1.1 200 "));
    let answer = ask(address, "GET /metrics");
    assert!(answer.contains("\nparapet_build_info{version=\""), "{answer}");
    let answer = ask(address, "HEAD /livez");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(ask(address, "POST /livez").starts_with("HTTP/1.1 405 "));
    assert!(ask(address, "GET /nothing").starts_with("HTTP/1.1 404 "));

    let mut idle = connect(address);
    stop.send(true).unwrap();
    thread.join().unwrap();
    assert_eq!(idle.read(&mut [0; 16]).unwrap_or(0), 0);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_taken_port_fails_at_once() {
    let first = admin::bind(ANY_PORT).unwrap();
    let error = admin::bind(first.address()).unwrap_err();
    assert!(matches!(error, AdminError::Bind { address, .. } if address == first.address()));
}

#[test]
fn a_lost_sender_ends_the_thread() {
    let (stop, stopped) = watch::channel(false);
    let bound = admin::bind(ANY_PORT).unwrap();
    let thread = bound.run(Readiness::new(), meter(), stopped).unwrap();
    drop(stop);
    thread.join().unwrap();
}
