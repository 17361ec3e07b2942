//! Which preset fits: signs of each kind of server, counted.

use http::header::SET_COOKIE;

use super::Finding;
use super::authorize::Endpoint;
use super::documents::Documents;
use super::prober::Prober;
use super::redirects::Carrier;
use crate::config::Preset;
use crate::config::preset::ALL;

/// A sign by which a kind of server is known.
enum Sign {
    /// How the path of the authorization endpoint ends.
    Authorize(&'static str),
    /// How an endpoint of the metadata ends.
    Endpoint(&'static str, &'static str),
    /// A member of the metadata.
    Member(&'static str),
    /// The parameter of the redirect that holds the request.
    Carrier(&'static str),
    /// How the name of a cookie begins.
    Cookie(&'static str),
    /// A word in the page.
    Page(&'static str),
}

/// Signs are few on purpose: each was seen at the server, and few others have it.
const fn signs(preset: Preset) -> &'static [Sign] {
    use Sign::{Authorize, Carrier, Cookie, Endpoint, Member, Page};
    match preset {
        Preset::Generic => &[],
        Preset::OidcProvider => &[
            Authorize("/auth"),
            Endpoint("userinfo_endpoint", "/me"),
            Endpoint("end_session_endpoint", "/session/end"),
            Endpoint("jwks_uri", "/jwks"),
            Cookie("_interaction"),
        ],
        Preset::DjangoOauthToolkit => &[
            Authorize("/authorize/"),
            Endpoint("token_endpoint", "/token/"),
            Endpoint("jwks_uri", "/.well-known/jwks.json"),
            Carrier("next"),
        ],
        Preset::LemonldapNg => &[
            Authorize("/oauth2/authorize"),
            Endpoint("end_session_endpoint", "/oauth2/logout"),
            Endpoint("jwks_uri", "/oauth2/jwks"),
            Cookie("lemonldap"),
            Page("lemonldap"),
        ],
        Preset::Glewlwyd => &[
            Endpoint("authorization_endpoint", "oidc/auth"),
            Endpoint("jwks_uri", "oidc/jwks"),
            Carrier("callback_url"),
            Cookie("GLEWLWYD"),
            Page("glewlwyd"),
        ],
        Preset::Keycloak => &[
            Authorize("/protocol/openid-connect/auth"),
            Endpoint("token_endpoint", "/protocol/openid-connect/token"),
            Cookie("AUTH_SESSION_ID"),
            Cookie("KC_"),
        ],
        Preset::Duende => &[
            Authorize("/connect/authorize"),
            Endpoint("token_endpoint", "/connect/token"),
            Carrier("ReturnUrl"),
            Member("backchannel_authentication_endpoint"),
            Cookie("idsrv"),
        ],
        Preset::Hydra => HYDRA,
        Preset::Zitadel => ZITADEL,
    }
}

const HYDRA: &[Sign] = &[
    Sign::Authorize("/oauth2/auth"),
    Sign::Endpoint("end_session_endpoint", "/oauth2/sessions/logout"),
    Sign::Cookie("ory_hydra"),
];

const ZITADEL: &[Sign] = &[
    Sign::Authorize("/oauth/v2/authorize"),
    Sign::Endpoint("userinfo_endpoint", "/oidc/v1/userinfo"),
    Sign::Carrier("authRequestID"),
];

/// A preset that is only a little like the server helps nobody.
const ENOUGH: usize = 2;

pub(super) fn look(
    prober: &Prober<'_>,
    documents: &Documents,
    seen: Option<(&Endpoint, &Carrier)>,
) -> Finding {
    const CHECK: &str = "upstream.preset";
    let count = |preset: Preset| {
        let signs = signs(preset).iter();
        signs.filter(|sign| is_seen(sign, documents, seen)).count()
    };
    let best =
        ALL.into_iter().map(|preset| (count(preset), preset)).max_by_key(|(count, _)| *count);
    let fits = best.filter(|(count, _)| *count >= ENOUGH).map(|(_, preset)| preset);
    let configured = prober.config.upstream.preset;
    let name = |preset: Preset| {
        toml::Value::try_from(preset).ok().and_then(|value| Some(value.as_str()?.to_owned()))
    };
    let name = |preset| name(preset).unwrap_or_default();
    match fits {
        None => Finding::good(
            CHECK,
            format!("no preset is known to fit; {} is configured", name(configured)),
        ),
        Some(preset) => {
            let [seen, all] = [count(preset), signs(preset).len()];
            let says = format!("{} fits best ({seen} of {all} signs)", name(preset));
            if preset == configured {
                return Finding::good(CHECK, says);
            }
            Finding::warning(CHECK, format!("{says}; {} is configured", name(configured)))
                .advice("what each stands for is in docs/upstreams.md")
                .line("upstream", "preset", name(preset))
        }
    }
}

fn is_seen(sign: &Sign, documents: &Documents, seen: Option<(&Endpoint, &Carrier)>) -> bool {
    let ends = |name: &str, end: &str| {
        documents.text(name).is_some_and(|url| url.split('?').next().unwrap_or(url).ends_with(end))
    };
    let endpoint = seen.map(|(endpoint, _)| endpoint);
    match sign {
        Sign::Authorize(end) => {
            ends("authorization_endpoint", end)
                || endpoint.is_some_and(|endpoint| endpoint.path().ends_with(end))
        }
        Sign::Endpoint(name, end) => ends(name, end),
        Sign::Member(name) => documents.primary.contains_key(*name),
        Sign::Carrier(name) => {
            seen.is_some_and(|(_, carrier)| carrier.parameter.as_deref() == Some(*name))
        }
        Sign::Cookie(begin) => endpoint.is_some_and(|endpoint| {
            let cookies = endpoint.answer.headers().get_all(SET_COOKIE).iter();
            cookies.filter_map(|cookie| cookie.to_str().ok()).any(|one| one.starts_with(begin))
        }),
        Sign::Page(word) => endpoint.is_some_and(|endpoint| {
            let page = String::from_utf8_lossy(endpoint.answer.body()).to_lowercase();
            page.contains(word)
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn endpoints_are_signs() {
        let document = json!({
            "authorization_endpoint": "https://a.example/realms/x/protocol/openid-connect/auth",
            "token_endpoint": "https://a.example/realms/x/protocol/openid-connect/token?a=b",
        });
        let documents = Documents { primary: document.as_object().unwrap().clone() };
        let count =
            |preset| signs(preset).iter().filter(|sign| is_seen(sign, &documents, None)).count();
        assert_eq!(count(Preset::Keycloak), 2);
        assert!(ALL.into_iter().filter(|one| *one != Preset::Keycloak).all(|one| count(one) < 2));
    }
}
