//! What is known of kinds of server, as one table. Every value is a default: `[upstream]` and
//! `[authorize]` can say otherwise, key by key.

/// `[upstream] preset`: the kinds of server whose ways are known.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Nothing is assumed.
    Generic,
    /// npm `oidc-provider`
    OidcProvider,
    /// `PyPI` `django-oauth-toolkit`
    DjangoOauthToolkit,
    /// `LemonLDAP::NG`
    LemonldapNg,
    /// `glewlwyd`
    Glewlwyd,
    /// Keycloak
    Keycloak,
    /// Duende `IdentityServer`
    Duende,
    /// Ory Hydra
    Hydra,
    /// Zitadel
    Zitadel,
}

/// How a kind of server treats an authorization request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    /// Paths beside the advertised one that take a full authorization request.
    pub authorize_paths: &'static [&'static str],
    /// Parameters that the server's own pages add beside a handle.
    pub beside_handle: &'static [&'static str],
    /// Pushed parameters that the server's forms never carry back, so that their absence is no
    /// tampering.
    pub never_echoed: &'static [&'static str],
    /// Authorization parameters of the server beside the registered ones.
    pub parameters: &'static [&'static str],
    /// The server takes forms at its authorization endpoint.
    pub authorize_forms: bool,
    /// What replaces the query of a page's own `POST`.
    pub post_query: PostQuery,
    /// Longest request target (path and query, in bytes) it takes.
    pub max_target_bytes: usize,
    /// Whether pushed values are hidden in its pages.
    pub mask_html: bool,
    /// Whether the request stays on the server's side after the first hop.
    pub keeps_request: bool,
}

/// `[upstream] post_query`: what the server gets for the query of a `POST` that a page at the
/// authorization endpoint sends.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PostQuery {
    /// What the address that the page posts to stands for, and none where it has none.
    AsEmitted,
    /// Always the whole pushed request.
    Stored,
    /// Never one, but for the query of the endpoint's own URL.
    None,
}

const GENERIC: Ways = Ways {
    authorize_paths: &[],
    beside_handle: &[],
    never_echoed: &[],
    parameters: &[],
    authorize_forms: true,
    post_query: PostQuery::AsEmitted,
    max_target_bytes: 8000,
    mask_html: false,
    keeps_request: false,
};

// Each a little under the longest target that was measured, where one was.
const OIDC_PROVIDER: Ways = Ways { max_target_bytes: 16_000, keeps_request: true, ..GENERIC };
const DJANGO: Ways =
    Ways { never_echoed: &["login_hint"], max_target_bytes: 4000, mask_html: true, ..GENERIC };
const LEMONLDAP: Ways = Ways { max_target_bytes: 8000, ..GENERIC };
const GLEWLWYD: Ways = Ways { beside_handle: &["g_continue"], max_target_bytes: 10_500, ..GENERIC };
const KEYCLOAK: Ways = Ways {
    parameters: &["kc_action", "kc_idp_hint"],
    authorize_forms: false,
    keeps_request: true,
    ..GENERIC
};
/// Its login and consent applications hand a verifier back beside the request.
const HYDRA: Ways = Ways {
    beside_handle: &["login_verifier", "consent_verifier"],
    parameters: &["audience"],
    authorize_forms: false,
    max_target_bytes: 4000,
    ..GENERIC
};
const ZITADEL: Ways = Ways { authorize_forms: false, keeps_request: true, ..GENERIC };
const DUENDE: Ways = Ways {
    authorize_paths: &["/connect/authorize/callback"],
    parameters: &["suppressed_prompt"],
    ..GENERIC
};

/// Every row.
pub const ALL: [Preset; 9] = [
    Preset::Generic,
    Preset::OidcProvider,
    Preset::DjangoOauthToolkit,
    Preset::LemonldapNg,
    Preset::Glewlwyd,
    Preset::Keycloak,
    Preset::Duende,
    Preset::Hydra,
    Preset::Zitadel,
];

impl Preset {
    /// The row of the table.
    #[must_use]
    pub const fn ways(self) -> Ways {
        match self {
            Self::Generic => GENERIC,
            Self::OidcProvider => OIDC_PROVIDER,
            Self::DjangoOauthToolkit => DJANGO,
            Self::LemonldapNg => LEMONLDAP,
            Self::Glewlwyd => GLEWLWYD,
            Self::Keycloak => KEYCLOAK,
            Self::Duende => DUENDE,
            Self::Hydra => HYDRA,
            Self::Zitadel => ZITADEL,
        }
    }
}
