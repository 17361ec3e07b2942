//! Who can read the secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Finding, Patient};

/// Keys of the file whose files hold secrets.
const SECRET_FILES: [&str; 8] = [
    "secret_file",
    "previous_secret_file",
    "secret_header_value_file",
    "snapshot_key_file",
    "password_file",
    "key_file",
    "key",
    "client_key",
];

/// Keys that are secrets themselves.
const SECRETS: [&str; 4] = ["secret", "previous_secret", "secret_header_value", "snapshot_key"];

pub(super) fn look(patient: &Patient<'_>) -> Vec<Finding> {
    const CHECK: &str = "files.secrets";
    let folder = patient.path.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    if let Ok(merged) = toml::Value::try_from(&patient.loaded.merged) {
        collect(&merged, folder, &mut files);
    }
    files.extend(configuration(patient.path).into_iter().filter(|file| holds_secrets(file)));
    files.sort();
    files.dedup();
    let read = files.len();
    let open: Vec<_> = files.iter().filter_map(|file| openness(file)).collect();
    if open.is_empty() {
        let says = match read {
            0 => "no file holds secrets".to_owned(),
            1 => "one file, read by its owner alone".to_owned(),
            more => format!("{more} files, read by their owners alone"),
        };
        return vec![Finding::good(CHECK, says)];
    }
    let finding = |says: String| {
        Finding::warning(CHECK, says).advice("chmod 600, or 640 with a group of the gateway's own")
    };
    open.into_iter().map(finding).collect()
}

fn collect(value: &toml::Value, folder: &Path, files: &mut Vec<PathBuf>) {
    if let Some(table) = value.as_table() {
        for (key, value) in table {
            match value.as_str() {
                Some(path) if SECRET_FILES.contains(&key.as_str()) => {
                    files.push(folder.join(path));
                }
                _ => collect(value, folder, files),
            }
        }
    }
    for value in value.as_array().into_iter().flatten() {
        collect(value, folder, files);
    }
}

/// The file itself and its files of clients.
fn configuration(path: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let folder = table.get("clients_dir").and_then(toml::Value::as_str);
    let folder = folder.map(|folder| path.parent().unwrap_or(Path::new("")).join(folder));
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
    let files = entries.filter_map(Result::ok).map(|entry| entry.path());
    files
        .filter(|file| file.extension().is_some_and(|ending| ending == "toml"))
        .chain([path.to_owned()])
        .collect()
}

/// Whether a file of the configuration has a secret in plain text.
fn holds_secrets(path: &Path) -> bool {
    fn holds(value: &toml::Value) -> bool {
        let in_table = value.as_table().into_iter().flatten();
        let mut in_table = in_table.map(|(key, value)| (SECRETS.contains(&key.as_str()), value));
        in_table.any(|(is_secret, value)| (is_secret && value.is_str()) || holds(value))
            || value.as_array().into_iter().flatten().any(holds)
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.parse::<toml::Table>().is_ok_and(|table| holds(&toml::Value::Table(table)))
}

/// Others than owner and group who may read or write it, in words.
fn openness(file: &Path) -> Option<String> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    let who = match (mode & 0o006, mode & 0o020) {
        (0, 0) => return None,
        (0, _) => "can be written by its group",
        (_, _) => "can be read by everybody",
    };
    Some(format!("{} {who} (mode {mode:03o})", file.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn modes_are_told_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "").unwrap();
        for (mode, expected) in [
            (0o600, None),
            (0o640, None),
            (0o660, Some("written by its group (mode 660)")),
            (0o644, Some("read by everybody (mode 644)")),
        ] {
            std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let said = openness(&file);
            assert_eq!(said.is_some(), expected.is_some(), "{mode:o}");
            assert!(said.unwrap_or_default().ends_with(expected.unwrap_or_default()));
        }
        assert_eq!(openness(&folder.path().join("none")), None);
    }

    #[test]
    fn every_file_that_holds_a_secret_is_looked_at() {
        let merged = "clients = [{ secret_file = \"a\", previous_secret_file = \"b\", jwks_file = \"no\" }]\n\
                      store = { snapshot = \"no\", snapshot_key_file = \"/c\" }\n";
        let mut files = Vec::new();
        collect(&merged.parse::<toml::Table>().unwrap().into(), Path::new("/etc"), &mut files);
        files.sort();
        assert_eq!(files, ["/c", "/etc/a", "/etc/b"].map(PathBuf::from));
    }

    #[test]
    fn secrets_in_the_file_itself_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        for (text, expected) in [
            ("[[clients]]\nsecret = \"a\"\n", true),
            ("[[clients]]\nprevious_secret = \"a\"\n", true),
            ("[store]\nsnapshot_key = \"a\"\n", true),
            ("[upstream]\nsecret_header_value = \"a\"\n", true),
            ("[[clients]]\nsecret_file = \"a\"\nprevious_secret = \"b\"\n", true),
            ("[[clients]]\nsecret_file = \"a\"\nsecret_sha256 = \"b\"\n", false),
            ("not toml", false),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(holds_secrets(&file), expected, "{text}");
        }
        let clients = folder.path().join("clients.d");
        std::fs::create_dir(&clients).unwrap();
        std::fs::write(clients.join("app.toml"), "[[clients]]\nsecret = \"a\"\n").unwrap();
        std::fs::write(clients.join("app.txt"), "").unwrap();
        std::fs::write(&file, "clients_dir = \"clients.d\"\n").unwrap();
        assert_eq!(configuration(&file), [clients.join("app.toml"), file]);
    }
}
