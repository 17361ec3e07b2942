//! What later keys must be like, below the refusal that keeps them from use until they are built.
//!
//! Each `tests/fixtures/config/later/NAME.toml` stands beside `NAME.txt`, which is exactly what is
//! said of it; empty where it is right. Once a key is supported, its pair moves to the folder `bad`.

use std::path::Path;

use super::*;
use crate::config::file::File;
use crate::config::profile::Profile;
use crate::config::{Authentication, CertificateName, ClientKeys, shape};

const FOLDER: &str = "tests/fixtures/config/later";

fn judge(path: &Path) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let root = Node::read(path, 0)?;
    let json = shape::conform(&root, &mut problems);
    let file: File = serde_json::from_value(json).unwrap();
    let environment = Environment::default();
    let config =
        Checker { root: &root, environment: &environment, problems: &mut problems }.config(&file);
    problems.or(config)
}

#[test]
fn b170_later_keys_are_told_exactly_what_is_wrong() {
    let mut files = 0;
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        files += 1;
        let said = judge(&path).err().map(|problems| problems.to_string()).unwrap_or_default();
        assert!(!said.contains("hunter2"), "{said}");
        let expected = path.with_extension("txt");
        if Environment::of_process().value("PARAPET_WRITE_DOCS").is_some() {
            std::fs::write(&expected, &said).unwrap();
        }
        assert_eq!(said, std::fs::read_to_string(expected).unwrap(), "{}", path.display());
    }
    assert!(files >= 5, "{files}");
}

#[test]
fn a_right_file_holds_all_that_later_work_needs() {
    let config = judge(&Path::new(FOLDER).join("right.toml")).unwrap();
    let [keys, dn, self_signed, secret] = config.clients.as_slice() else {
        panic!("four clients");
    };
    assert!(matches!(keys.authentication, Authentication::PrivateKeyJwt { algorithm: Some(_) }));
    let Some(ClientKeys::Inline(set)) = &keys.keys else { panic!("inline keys") };
    assert_eq!(set["keys"][0]["crv"], "P-256", "nothing of the key is lost");
    assert!(keys.request_object.required && keys.request_object.encryption.is_some());
    let Authentication::TlsClientAuth(name) = &dn.authentication else { panic!("by name") };
    assert_eq!(name, &CertificateName::SubjectDn("CN=app,O=Example".to_owned()));
    assert!(matches!(self_signed.keys, Some(ClientKeys::Uri(_))));
    assert_eq!((secret.profile, keys.profile), (Profile::Oauth, Profile::Fapi2));
    let Authentication::ClientSecretJwt { secret, .. } = &secret.authentication else {
        panic!("by secret");
    };
    assert_eq!(secret.expose(), "hunter2-hunter2-hunter2-hunter2-");
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
