//! `[admin] listen` by itself, for whoever asks a gateway that runs: the rest of the file may have
//! become wrong meanwhile, and the gateway be well.

use std::net::SocketAddr;
use std::path::Path;

use super::diagnostic::{Problem, Problems};
use super::environment::Environment;
use super::sources::Sources;
use super::{file, overlay, tree};

/// Where the private listener of the configuration in `path` is, the environment's overrides
/// included; `None` where it is turned off. Nothing else of the file is judged.
///
/// # Errors
/// A file that cannot be read or is no TOML, and an address that is none.
pub fn private_listener(
    path: &Path,
    environment: &Environment,
) -> Result<Option<SocketAddr>, Problems> {
    let mut problems = Problems::default();
    let mut root = tree::Node::read(path, 0, &mut Sources::default())?;
    overlay::variables(&mut root, environment, &mut Problems::default());
    let standard = file::Admin::default().listen;
    let text = root.find("admin.listen").map_or(Some(&*standard), tree::Node::as_str);
    let address = match text {
        Some("") => Some(None),
        Some(text) => text.parse().ok().map(Some),
        None => None,
    };
    if address.is_none() {
        let message = "`admin.listen`: expected an address such as \"127.0.0.1:9901\", or \"\"";
        problems.add(Problem::new(root.place("admin.listen"), message));
    }
    problems.or(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_found_in_files_that_are_wrong_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        let none = Environment::default();
        for (text, expected) in [
            ("", Some("127.0.0.1:9901")),
            ("[admin]\nlisten = \"0.0.0.0:1\"\n[par]\nlifetime = 3\n", Some("0.0.0.0:1")),
            ("admin.listen = \"\"", None),
        ] {
            std::fs::write(&file, text).unwrap();
            let found = private_listener(&file, &none).unwrap();
            assert_eq!(found, expected.map(|address| address.parse().unwrap()), "{text}");
        }
        let moved = Environment::from_iter([("PARAPET__ADMIN__LISTEN", "127.0.0.1:2")]);
        let found = private_listener(&file, &moved).unwrap();
        assert_eq!(found, Some("127.0.0.1:2".parse().unwrap()));
        for text in ["admin.listen = 1", "admin.listen = \"here\"", "["] {
            std::fs::write(&file, text).unwrap();
            assert!(private_listener(&file, &none).is_err(), "{text}");
        }
    }
}
