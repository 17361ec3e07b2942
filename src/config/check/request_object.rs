//! `[request_object]`, `[[authorization_details]]`, `[client_keys]`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::pem::Pem;
use super::{Checker, Refused};
use crate::config::address::network;
use crate::config::file::{self, File};
use crate::config::{AuthorizationDetailsType, ClientKeysPolicy, DetailsSchema, RequestObject};
use crate::jose::jwe::{DecryptionKey, DecryptionKeys};

impl Checker<'_> {
    pub(super) fn request_object(&mut self, whole: &File) -> Option<RequestObject> {
        let file = &whole.request_object;
        if file.required && !file.enabled {
            self.refuse("request_object.required", "needs `enabled = true`");
        }
        let mut all_fit = true;
        for (index, algorithm) in file.signing_algs.iter().enumerate() {
            let name = algorithm.name();
            let profile = whole.par.profile;
            let message = if algorithm.is_symmetric() {
                format!(
                    "{name:?} is symmetric; request objects are signed with a key of the client"
                )
            } else if !profile.rules().signing_algorithms.contains(algorithm) {
                format!("profile {} does not allow {name:?}", profile.as_str())
            } else {
                continue;
            };
            all_fit = false;
            self.refuse(&format!("request_object.signing_algs.{index}"), &message);
        }
        let mut seen = BTreeSet::new();
        let mut keys = Vec::new();
        for (index, key) in file.decryption_keys.iter().enumerate() {
            let path = format!("request_object.decryption_keys.{index}");
            if let Some(kid) = &key.kid
                && !seen.insert(kid.as_str())
            {
                self.refuse(
                    &format!("{path}.kid"),
                    &format!("{kid:?} is the kid of an earlier key"),
                );
            }
            keys.push(self.decryption_key(key, &path));
        }
        let own = (!file.signing_algs.is_empty()).then(|| file.signing_algs.clone());
        let keys: Vec<_> = keys.into_iter().collect::<Option<_>>()?;
        let published = keys.iter().zip(&file.decryption_keys).filter(|(_, file)| file.publish);
        let published_keys = published.map(|(key, _)| key.public_jwk()).collect();
        all_fit.then(|| RequestObject {
            max_lifetime: file.max_lifetime.map(|time| time.0),
            max_age: file.max_age.map(|time| time.0),
            enabled: file.enabled,
            required: file.required,
            signing_algorithms: own,
            published_keys,
            decryption_keys: Arc::new(DecryptionKeys::new(keys)),
        })
    }

    fn decryption_key(&mut self, file: &file::DecryptionKey, path: &str) -> Option<DecryptionKey> {
        let kid = self.required(
            &format!("{path}.kid"),
            file.kid.as_deref(),
            |text| (!text.is_empty()).then(|| text.to_owned()),
            "an identifier of the key",
        );
        let key_path = format!("{path}.key_file");
        let name = self.required(
            &key_path,
            file.key_file.as_deref(),
            |text| (!text.is_empty()).then(|| text.to_owned()),
            "a file that holds a private JWK",
        );
        let name = self.file_path(&key_path, &name?);
        let jwk = match self.read_json(&key_path, &name) {
            Ok(jwk) => jwk,
            Err(message) => {
                self.refuse(&key_path, &message);
                return None;
            }
        };
        let key = match DecryptionKey::from_jwk(&jwk) {
            Ok(key) => key.with_kid(kid?),
            Err(error) => {
                self.refuse(&key_path, &format!("{}: {error}", name.display()));
                return None;
            }
        };
        let Some(alg) = file.alg else {
            return Some(key);
        };
        let fitting = key.with_alg(alg).ok();
        if fitting.is_none() {
            let key_type = jwk.get("kty").and_then(Json::as_str).unwrap_or_default();
            let message = format!("does not go with a key of kty {key_type:?}");
            self.refuse(&format!("{path}.alg"), &message);
        }
        fitting
    }

    pub(super) fn client_keys(&mut self, file: &file::ClientKeys) -> Option<ClientKeysPolicy> {
        let allow_private_addresses = self.each(
            "client_keys.allow_private_addresses",
            &file.allow_private_addresses,
            network,
            "an address or a range such as \"10.0.0.0/8\"",
        );
        let ca = self.pem("client_keys.ca", file.ca.as_deref(), Pem::Certificates);
        Some(ClientKeysPolicy { allow_private_addresses: allow_private_addresses?, ca: ca.ok()? })
    }

    pub(super) fn authorization_details(
        &mut self,
        file: &[file::AuthorizationDetails],
    ) -> Option<Vec<AuthorizationDetailsType>> {
        let mut seen = BTreeSet::new();
        let mut types = Vec::new();
        for (index, file) in file.iter().enumerate() {
            let path = format!("authorization_details.{index}");
            let name = self.required(
                &format!("{path}.type"),
                file.name.as_deref(),
                |text| (!text.is_empty()).then(|| text.to_owned()),
                "the name of a type (RFC 9396 §2)",
            );
            if let Some(name) = &name
                && !seen.insert(name.clone())
            {
                let message = format!("{name:?} is the type of an earlier table");
                self.refuse(&format!("{path}.type"), &message);
            }
            let schema = self.details_schema(file, &path);
            types.push(match (name, schema) {
                (Some(name), Ok(schema)) => Some(AuthorizationDetailsType { name, schema }),
                _ => None,
            });
        }
        types.into_iter().collect()
    }

    /// The schema of a type, where it has one.
    fn details_schema(
        &mut self,
        file: &file::AuthorizationDetails,
        path: &str,
    ) -> Result<Option<DetailsSchema>, Refused> {
        let Some(text) = &file.schema_file else {
            return Ok(None);
        };
        let path = format!("{path}.schema_file");
        let name = self.file_path(&path, text);
        let schema = match self.read_json(&path, &name) {
            Ok(schema) => schema,
            Err(message) => {
                self.refuse(&path, &message);
                return Err(Refused);
            }
        };
        let Some(schema) = DetailsSchema::of(&schema) else {
            self.refuse(
                &path,
                &format!(
                    "{} holds no JSON Schema, or one that needs other documents or look-around",
                    name.display()
                ),
            );
            return Err(Refused);
        };
        Ok(Some(schema))
    }
}
