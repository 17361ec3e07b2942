//! The claims that a request object has as a JWT (RFC 9101 §4, FAPI 2.0 Message Signing §5.3.1).
//!
//! `jti` is not remembered: who pushes an object again must authenticate again, and gets another
//! `request_uri` that is used up like the first.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{ObjectError, RequestObjects};
use crate::client::Client;
use crate::clock::WallTime;
use crate::jose::claims::{self, TimeRules, Times};

/// Shortest time that is left to an object accepted within the leeway for clocks.
const SHORTEST: Duration = Duration::from_secs(5);

/// Judges `claims` by what the wall clock says `now`; gives how long they are still valid,
/// where they say.
pub(super) fn judge(
    claims: &Map<String, Value>,
    client: &Client,
    settings: &RequestObjects,
    now: WallTime,
) -> Result<Option<Duration>, ObjectError> {
    if claims::required_text(claims, "client_id")? != &*client.client_id {
        return Err(ObjectError::OtherClientId);
    }
    // idpyoidc sends an empty one, which names nobody.
    let issuer_of_object = claims::text(claims, "iss")?.filter(|iss| !iss.is_empty());
    if issuer_of_object.is_some_and(|iss| iss != &*client.client_id) {
        return Err(ObjectError::OtherIssuer);
    }
    let must_name = client.rules.request_object_needs_audience || claims.contains_key("aud");
    if must_name && !claims::audience(claims)?.contains(&settings.issuer) {
        return Err(ObjectError::OtherAudience);
    }
    if claims::text(claims, "sub")?.is_some_and(|sub| sub == &*client.client_id) {
        return Err(ObjectError::Subject);
    }
    claims::token_id(claims)?;
    let times = Times::read(claims)?;
    times.check(&settings.time_rules(client), now)?;
    Ok(times.expires.map(|expires| {
        let left = Duration::from_secs(expires.since(now).as_secs());
        left.max(SHORTEST)
    }))
}

impl RequestObjects {
    /// Those of the client's profile, or tighter ones of `[request_object]`.
    fn time_rules(&self, client: &Client) -> TimeRules {
        let window = client.rules.request_object_window;
        let tighter = |own: Option<Duration>| own.into_iter().chain(window).min();
        let longest_life = tighter(self.settings.max_lifetime);
        let oldest_nbf = tighter(self.settings.max_age);
        TimeRules {
            exp_required: longest_life.is_some(),
            nbf_required: longest_life.or(oldest_nbf).is_some(),
            early: client.rules.clock_skew,
            late: client.rules.clock_skew,
            longest_life,
            oldest_nbf,
            ..TimeRules::default()
        }
    }
}
