//! Where metadata documents are (RFC 8414 §3.1, `OpenID` Connect Discovery §4).

/// The public paths of metadata for an issuer with this path (RFC 8414 §3.1, `OpenID` Connect
/// Discovery §4): inserted before it and appended to it.
#[must_use]
pub fn places(issuer_path: &str) -> Vec<String> {
    let mut places = vec![
        format!("{issuer_path}/.well-known/openid-configuration"),
        format!("/.well-known/oauth-authorization-server{issuer_path}"),
    ];
    if !issuer_path.is_empty() {
        places.push(format!("/.well-known/openid-configuration{issuer_path}"));
        places.push(format!("{issuer_path}/.well-known/oauth-authorization-server"));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b172_path_suffixed_issuers_have_four_places() {
        assert_eq!(
            places(""),
            ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
        );
        assert_eq!(
            places("/o"),
            [
                "/o/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server/o",
                "/.well-known/openid-configuration/o",
                "/o/.well-known/oauth-authorization-server",
            ]
        );
    }
}
