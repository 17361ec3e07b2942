//! `traceparent` and `tracestate` as W3C Trace Context writes them (Level 1, §3.2 and §3.3), read
//! strictly: what is not exactly so is not there.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// `traceparent`
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// `tracestate`
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Names a trace; never all zero. Shown as 32 hex digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Names a span within a trace; never all zero. Shown as 16 hex digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A place in a trace, as `traceparent` carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub span_id: SpanId,
    /// Whether the caller records it.
    pub sampled: bool,
}

impl TraceContext {
    /// The only `traceparent` of a request; `None` where there is none, more than one, or no legal
    /// one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(TRACEPARENT).iter();
        let (only, None) = (given.next()?, given.next()) else { return None };
        Self::parse(only.as_bytes())
    }

    /// Reads `version-traceid-parentid-flags`. Of a later version the first four parts count.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let [version, trace_id, span_id, flags] = parts(known)?;
        let [version] = hex::<1>(version)?;
        let may_go_on = version != 0 && rest.first() == Some(&b'-');
        if version == 0xff || !(rest.is_empty() || may_go_on) {
            return None;
        }
        let (trace_id, span_id) = (hex::<16>(trace_id)?, hex::<8>(span_id)?);
        let [flags] = hex::<1>(flags)?;
        let is_named = trace_id != [0; 16] && span_id != [0; 8];
        is_named.then_some(Self {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            sampled: flags & SAMPLED != 0,
        })
    }

    /// The field's value, in version 00.
    #[must_use]
    pub fn to_header(self) -> Option<HeaderValue> {
        let flags = if self.sampled { SAMPLED } else { 0 };
        HeaderValue::try_from(format!("00-{}-{}-{flags:02x}", self.trace_id, self.span_id)).ok()
    }
}

/// `00-` and 32, `-` and 16, `-` and 2 digits.
const LENGTH: usize = 55;

const SAMPLED: u8 = 1;

fn parts(text: &[u8]) -> Option<[&[u8]; 4]> {
    let mut parts = text.split(|byte| *byte == b'-');
    let found = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(found)
}

/// Exactly `N` bytes in hex digits, lower case alone.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// The lines of `tracestate` as one; `None` where there is none, or a member of it is not legal.
#[must_use]
pub fn trace_state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(TRACESTATE).iter().peekable();
    lines.peek()?;
    let lines: Option<Vec<&str>> = lines.map(|line| line.to_str().ok()).collect();
    let lines = lines?;
    let members = || {
        let all = lines.iter().flat_map(|line| line.split(','));
        all.map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty())
    };
    let mut keys = Vec::new();
    for member in members() {
        let (key, value) = member.split_once('=')?;
        if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() == MOST_MEMBERS {
            return None;
        }
        keys.push(key);
    }
    let joined = members().collect::<Vec<_>>().join(",");
    HeaderValue::try_from(joined).ok().filter(|joined| !joined.is_empty())
}

const MOST_MEMBERS: usize = 32;

/// `key` of §3.3.1.3.1, or `tenant@system`.
fn is_key(key: &str) -> bool {
    let is_part = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    let begins = |text: &str, or_digit: fn(&u8) -> bool| {
        text.as_bytes().first().is_some_and(|byte| byte.is_ascii_lowercase() || or_digit(byte))
    };
    match key.split_once('@') {
        None => key.len() <= 256 && begins(key, |_| false) && is_part(key),
        Some((tenant, system)) => {
            (tenant.len() <= 241 && begins(tenant, u8::is_ascii_digit) && is_part(tenant))
                && (system.len() <= 14 && begins(system, |_| false) && is_part(system))
        }
    }
}

/// `value` of §3.3.1.3.2; trailing blanks were cut.
fn is_value(value: &str) -> bool {
    let is_legal = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    (1..=256).contains(&value.len()) && value.bytes().all(is_legal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_legal_parent_is_read_and_written_back() {
        let context = TraceContext::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(context.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id.to_string(), "00f067aa0ba902b7");
        assert!(context.sampled);
        assert_eq!(context.to_header().unwrap(), GOOD);
        for (text, sampled) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-later-comes", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
        ] {
            assert_eq!(TraceContext::parse(text.as_bytes()).unwrap().sampled, sampled, "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_parent() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn two_parents_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert!(TraceContext::of(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert!(TraceContext::of(&headers).is_none());
    }

    fn state(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRACESTATE, line.parse().unwrap());
        }
        trace_state(&headers).map(|state| state.to_str().unwrap().to_owned())
    }

    #[test]
    fn state_is_one_list_of_legal_members() {
        for (lines, joined) in [
            (&["rojo=00f067aa0ba902b7"][..], Some("rojo=00f067aa0ba902b7")),
            (&["a=1, b=2\t", "", "c=3,,d=4"], Some("a=1,b=2,c=3,d=4")),
            (&["0ab@sys=x y", "a*/_-=!"], Some("0ab@sys=x y,a*/_-=!")),
            (&[], None),
            (&[""], None),
            (&["a=1,a=2"], None),
            (&["A=1"], None),
            (&["0a=1"], None),
            (&["a@=1"], None),
            (&["a@0b=1"], None),
            (&["a"], None),
            (&["a="], None),
            (&["a=b=c"], None),
        ] {
            assert_eq!(state(lines).as_deref(), joined, "{lines:?}");
        }
        let many =
            |number: usize| (0..number).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(",");
        assert!(state(&[&many(32)]).is_some());
        assert!(state(&[&many(33)]).is_none());
        assert!(state(&[&format!("a={}", "x".repeat(257))]).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = TraceContext::parse(&bytes);
        }

        #[test]
        fn what_is_read_is_written_alike(trace in any::<[u8; 16]>(), span in any::<[u8; 8]>()) {
            prop_assume!(trace != [0; 16] && span != [0; 8]);
            let context =
                TraceContext { trace_id: TraceId(trace), span_id: SpanId(span), sampled: true };
            let header = context.to_header().unwrap();
            prop_assert_eq!(TraceContext::parse(header.as_bytes()), Some(context));
        }
    }
}
