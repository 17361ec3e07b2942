//! Where a configuration comes from: read at start, and again whenever it may have changed.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use super::diagnostic::{Problem, Problems};
use super::environment::Environment;
use super::file::File;
use super::sources::Sources;
use super::{Config, Loaded, check, overlay, shape, tree};

/// A file, and the environment over it.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    environment: Environment,
}

/// What reading gave, and what was read.
#[derive(Debug)]
pub struct Reading {
    /// The configuration, or everything that is wrong with it.
    pub outcome: Result<Loaded, Problems>,
    /// Also where it is wrong: a change in one of these may put it right.
    pub sources: Sources,
}

impl Place {
    /// The file at `path`, under the environment's overrides.
    #[must_use]
    pub fn new(path: &Path, environment: Environment) -> Self {
        Self { path: path.to_owned(), environment }
    }

    /// Reads the file, its drop-in folder and every file that they name.
    #[must_use]
    pub fn read(&self) -> Reading {
        let mut sources = Sources::default();
        let outcome = loaded(&self.path, &self.environment, &mut sources);
        Reading { outcome, sources }
    }
}

fn loaded(
    path: &Path,
    environment: &Environment,
    sources: &mut Sources,
) -> Result<Loaded, Problems> {
    let mut problems = Problems::default();
    let mut root = tree::Node::read(path, 0, sources)?;
    overlay::variables(&mut root, environment, &mut problems);
    let folder = path.parent().unwrap_or(Path::new(""));
    overlay::client_files(&mut root, folder, (&mut problems, sources));
    let json = shape::conform(&root, &mut problems);
    let loaded = match serde_json::from_value::<File>(json) {
        Ok(mut merged) => {
            let material = check::Material { root: &root, environment };
            let config = check::check(&merged, material, (&mut problems, sources));
            merged.clients_dir = None;
            config.map(|config| {
                let config = Config { fingerprint: fingerprint(&merged), ..config };
                Loaded { config, merged }
            })
        }
        Err(error) => {
            problems.add(Problem::new(root.origin.clone(), error.to_string()));
            None
        }
    };
    problems.or(loaded)
}

/// The first twelve hex digits of the SHA-256 of what `parapet config show` prints. Secrets are hidden
/// there, so it tells nothing of them.
fn fingerprint(merged: &File) -> String {
    // What was read from TOML can be written as TOML.
    let text = toml::to_string(merged).unwrap_or_default();
    let digest = digest(&SHA256, text.as_bytes());
    let hex = |byte: &u8| [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16));
    digest.as_ref().iter().take(6).flat_map(hex).flatten().collect()
}
