//! `x-fapi-interaction-id`: by it regional profiles match the two sides of a push. The value is the
//! caller's to choose, so no log has it; there `x-request-id`, which is ours, tells requests apart.

use std::convert::Infallible;
use std::sync::Arc;

use aws_lc_rs::rand::SecureRandom;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tower::{ServiceExt as _, service_fn};

use super::ParService;

/// The header's name.
pub(super) const X_FAPI_INTERACTION_ID: HeaderName =
    HeaderName::from_static("x-fapi-interaction-id");

/// Gives every answer the identifier of its request.
#[derive(Debug, Clone)]
pub(super) struct InteractionIds {
    random: Arc<dyn SecureRandom + Send + Sync>,
}

impl InteractionIds {
    pub(super) fn new(random: Arc<dyn SecureRandom + Send + Sync>) -> Self {
        Self { random }
    }

    /// `service`, whose answers all have one.
    pub(super) fn around(self, service: ParService) -> ParService {
        ParService::new(service_fn(move |request: Request<Bytes>| {
            let id = self.of(request.headers());
            let answer = service.clone().oneshot(request);
            async move {
                let Ok(mut answer) = answer.await;
                put(&mut answer, id);
                Ok::<_, Infallible>(answer)
            }
        }))
    }

    /// Puts one into the answer to a request with these fields.
    pub(super) fn mark(&self, answer: &mut Response<Bytes>, request: &HeaderMap) {
        put(answer, self.of(request));
    }

    /// The value of the request, where it is one UUID; else a new one of version 4. `None` only
    /// where nothing can be drawn.
    fn of(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let mut given = request.get_all(X_FAPI_INTERACTION_ID).iter();
        match (given.next(), given.next()) {
            (Some(id), None) if is_uuid(id.as_bytes()) => Some(id.clone()),
            _ => self.drawn(),
        }
    }

    fn drawn(&self) -> Option<HeaderValue> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).ok()?;
        let number = u128::from_be_bytes(bytes) & !VERSION_AND_VARIANT | VERSION_4;
        let digits = format!("{number:032x}");
        let groups = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
        let groups = groups.map(|(from, to)| digits.get(from..to).unwrap_or_default());
        HeaderValue::from_str(&groups.join("-")).ok()
    }
}

/// The bits that say of what kind a UUID is (RFC 9562 §4.1, §4.2).
const VERSION_AND_VARIANT: u128 = 0xf000_c000_0000_0000_0000;

/// Drawn at random (RFC 9562 §5.4).
const VERSION_4: u128 = 0x4000_8000_0000_0000_0000;

fn put(answer: &mut Response<Bytes>, id: Option<HeaderValue>) {
    if let Some(id) = id {
        answer.headers_mut().insert(X_FAPI_INTERACTION_ID, id);
    }
}

/// Five groups of hexadecimal digits (RFC 9562 §4), of any version.
fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;

    use super::*;

    #[test]
    fn b131_a_uuid_is_five_groups_of_digits() {
        for (text, is) in [
            ("93bac548-d2de-4546-b106-880a5018460d", true),
            ("93BAC548-D2DE-1546-B106-880A5018460D", true),
            ("00000000-0000-0000-0000-000000000000", true),
            ("93bac548d2de4546b106880a5018460d", false),
            ("93bac548-d2de-4546-b106-880a5018460", false),
            ("93bac548-d2de-4546-b106-880a5018460d1", false),
            ("93bac548-d2de-4546-b106_880a5018460d", false),
            ("93bac54g-d2de-4546-b106-880a5018460d", false),
            ("{93bac548-d2de-4546-b106-880a5018460d", false),
            ("", false),
        ] {
            assert_eq!(is_uuid(text.as_bytes()), is, "{text}");
        }
    }

    #[test]
    fn b131_what_is_drawn_is_a_uuid_of_version_4_and_never_the_same() {
        let ids = InteractionIds::new(Arc::new(SystemRandom::new()));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let id = ids.of(&HeaderMap::new()).unwrap();
            let text = id.to_str().unwrap().to_owned();
            assert!(is_uuid(text.as_bytes()), "{text}");
            assert_eq!(&text[14..15], "4", "{text}");
            assert!("89ab".contains(&text[19..20]), "{text}");
            assert!(seen.insert(text));
        }
    }
}
