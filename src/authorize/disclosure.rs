//! What the upstream shows of a request where no handle can stand in: told, never broken.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Departure, Flow, expansion};
use crate::telemetry::metrics::meter;

/// Counts an address in Keycloak's `client_data`, base64url JSON with `redirect_uri` and `state`.
/// Keycloak reads it when a session is over and an error has to reach the client, so it stays.
pub(super) fn note(departure: &Departure<'_>) {
    let Some(flow) = departure.flow else { return };
    let data = departure.location.split(['?', '&', '#']).find_map(|pair| {
        let value = pair.strip_prefix("client_data=")?;
        URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')).ok()
    });
    let Some(Ok(data)) = data.map(|data| serde_json::from_slice::<Value>(&data)) else { return };
    if shows(&data, "ru", (flow, "redirect_uri")) || shows(&data, "st", (flow, "state")) {
        meter().disclosure();
        tracing::debug!("the upstream shows redirect_uri or state in client_data");
    }
}

fn shows(data: &Value, key: &str, (flow, name): (&Flow, &str)) -> bool {
    let pushed = expansion::value(&flow.request.query, name);
    pushed.is_some() && data.get(key).and_then(Value::as_str) == pushed.as_deref()
}
