//! What becomes of a file that is right. What is said of wrong ones stands beside each in
//! `tests/fixtures/config/bad`.

use std::path::Path;

use crate::config::profile::Profile;
use crate::config::{self, Environment};
use crate::config::{Authentication, CertificateName, ClientKeys, DistinguishedName};

#[test]
fn a_right_file_comes_out_whole() {
    let file = Path::new("tests/fixtures/config/good/right.toml");
    let config = config::load(file, &Environment::default()).unwrap().config;
    let [keys, dn, self_signed, secret] = config.clients.as_slice() else {
        panic!("four clients");
    };
    assert!(matches!(keys.authentication, Authentication::PrivateKeyJwt { algorithm: Some(_) }));
    let Some(ClientKeys::Inline(set)) = &keys.keys else { panic!("inline keys") };
    assert_eq!(set["keys"][0]["crv"], "P-256", "nothing of the key is lost");
    assert!(keys.request_object.required && keys.request_object.encryption.is_some());
    let Authentication::TlsClientAuth(name) = &dn.authentication else { panic!("by name") };
    assert_eq!(
        name,
        &CertificateName::SubjectDn(DistinguishedName::parse("cn=app, o=Example").unwrap())
    );
    assert!(matches!(self_signed.keys, Some(ClientKeys::Uri(_))));
    assert_eq!((secret.profile, keys.profile), (Profile::Oauth, Profile::Fapi2));
    let Authentication::ClientSecretJwt { secret, .. } = &secret.authentication else {
        panic!("by secret");
    };
    let [current, previous] = secret.both().map(config::Secret::expose);
    assert_eq!([current, previous], ["hunter2-hunter2-hunter2-hunter2-"; 2]);
    assert!(config.par.require_pkce && config.server.sees_certificates());
    assert_eq!(config.server.mtls.unwrap().public_url, "https://mtls.login.example.com");
    assert_eq!(config.request_object.decryption_keys.iter().count(), 1);
    assert!(config.request_object.published_keys.is_empty());
    assert!(config.authorization_details[0].schema.is_some());
    let shown = format!("{:?}{:?}", config.clients, config.request_object);
    assert!(
        !shown.contains("hunter2")
            && !shown.contains("JS2KfDF1dCCseMV1gnsp8TtXvCA1XiiqXAa1M5t5hoA"),
        "{shown}"
    );
}
