//! Ports for servers that must be told their port before they start.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux takes the ports of outgoing connections (32768 and up), so that
/// no connection can take the port between this check and the start of the server.
const FIRST: u16 = 18_000;
const COUNT: u16 = 14_000;

/// How many ports of this process were handed out.
static GIVEN: AtomicU16 = AtomicU16::new(0);

/// A TCP port of 127.0.0.1 that nobody listens on, below 32768; never the same one twice in a
/// process.
pub fn free_port() -> u16 {
    // Test binaries that run at once begin at different places.
    let begin = process::id().wrapping_mul(97) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = u32::from(GIVEN.fetch_add(1, Ordering::SeqCst));
        let offset = u16::try_from((begin + step) % u32::from(COUNT)).expect("below COUNT");
        let port = FIRST + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT - 1)
}

#[test]
fn free_ports_are_distinct_and_below_the_range_of_outgoing_connections() {
    let ports: Vec<u16> = (0..50).map(|_| free_port()).collect();
    let mut distinct = ports.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ports.len());
    assert!(ports.iter().all(|port| *port < 32_768));
}
