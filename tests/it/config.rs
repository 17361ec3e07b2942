//! The configuration room, on real files.
//!
//! Each `tests/fixtures/config/bad/NAME.toml` stands beside `NAME.txt`, which is exactly what
//! `parapet check --config tests/fixtures/config/bad/NAME.toml` says of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parapet::config::{
    self, Authentication, Client, Environment, File, Listen, Loaded, Problems, REFERENCE,
};
use proptest::prelude::*;

const MINIMAL: &str = "[server]\nissuer = \"https://login.example.com\"\n\
                       [upstream]\nurl = \"http://127.0.0.1:9000\"\n";

/// The files of one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
        let environment = variables.iter().copied().collect();
        config::load(&self.write("gateway.toml", text), &environment)
    }
}

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    Folder::new().load(text, variables)
}

fn problems(text: &str, variables: &[(&str, &str)]) -> String {
    load(text, variables).unwrap_err().to_string()
}

fn accepts(client: &Client, secret: &str) -> bool {
    match &client.authentication {
        Authentication::ClientSecretBasic(digest) | Authentication::ClientSecretPost(digest) => {
            digest.matches(secret)
        }
        Authentication::None
        | Authentication::ClientSecretJwt { .. }
        | Authentication::PrivateKeyJwt { .. }
        | Authentication::TlsClientAuth(_)
        | Authentication::SelfSignedTlsClientAuth => false,
    }
}

#[test]
fn bad_files_are_told_exactly_what_is_wrong() {
    let mut files: Vec<PathBuf> = std::fs::read_dir("tests/fixtures/config/bad")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 70, "only {} files", files.len());
    for file in files {
        let expected = std::fs::read_to_string(file.with_extension("txt")).unwrap();
        let said = config::load(&file, &Environment::default())
            .expect_err(&file.display().to_string())
            .to_string();
        assert_eq!(said, expected, "{}", file.display());
        assert!(!said.contains("hunter2"), "{}", file.display());
    }
}

#[test]
fn all_problems_of_a_file_come_at_once() {
    let file = Path::new("tests/fixtures/config/bad/many.toml");
    let problems = config::load(file, &Environment::default()).unwrap_err();
    assert_eq!(problems.len(), 23);
    assert_eq!(problems.iter().count(), 23);
    assert!(!problems.is_empty());
}

#[test]
fn a_file_that_is_not_there_is_a_problem() {
    let problems = config::load(Path::new("no/such.toml"), &Environment::default()).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "no/such.toml: cannot be read: No such file or directory (os error 2)\n"
    );
}

#[test]
fn the_reference_shows_the_defaults() {
    let defaults = toml::Table::try_from(File::default()).unwrap();
    let reference: toml::Table = REFERENCE.parse().unwrap();
    let own = BTreeSet::from([("server", "issuer"), ("upstream", "url")]);
    for (section, value) in &reference {
        if section == "clients" {
            continue;
        }
        for (key, value) in value.as_table().unwrap() {
            if !own.contains(&(section.as_str(), key.as_str())) {
                assert_eq!(defaults[section].get(key), Some(value), "[{section}] {key}");
            }
        }
    }
    let commented = BTreeSet::from([("store", "replicas"), ("upstream", "tls")]);
    for (section, value) in &defaults {
        for key in value.as_table().into_iter().flat_map(toml::Table::keys) {
            assert!(
                reference[section].get(key).is_some()
                    || commented.contains(&(section.as_str(), key.as_str())),
                "[{section}] {key} is not shown"
            );
        }
    }
}

#[test]
fn the_reference_is_the_demonstration() {
    let Loaded { config, merged } =
        config::load(Path::new("gateway.toml"), &Environment::default()).unwrap();
    assert_eq!(config.server.issuer.as_str(), "http://127.0.0.1:8080");
    assert_eq!(config.upstream.url.origin(), "http://127.0.0.1:9000");
    assert_eq!(config.par.lifetime, Duration::from_secs(60));
    let [client] = config.clients.as_slice() else {
        panic!("one client expected");
    };
    assert_eq!(client.client_id, "demo-web");
    assert!(accepts(client, "demo-secret") && !accepts(client, "demo-secre"));
    assert!(!format!("{config:?}{merged:?}").contains("demo-secret"));
    assert!(!toml::to_string(&merged).unwrap().contains("demo-secret"));
}

#[test]
fn every_commented_key_of_the_reference_is_known() {
    let schema = config::schema_text();
    let mut seen = 0;
    for line in REFERENCE.lines().filter_map(|line| line.strip_prefix("# ")) {
        for (before, _) in line.match_indices(" = ").map(|(index, _)| line.split_at(index)) {
            let key = before.rsplit([' ', '(']).next().unwrap();
            if ["keys", "authorize_method"].contains(&key) {
                continue;
            }
            assert!(schema.contains(&format!("\"{key}\": {{")), "{key}");
            seen += 1;
        }
    }
    assert!(seen > 25, "{seen}");
}

#[test]
fn the_schema_and_the_page_are_current() {
    let committed = |path| std::fs::read_to_string(path).unwrap();
    assert!(
        committed("gateway.schema.json") == config::schema_text(),
        "run: parapet config schema > gateway.schema.json"
    );
    assert!(
        committed("docs/configuration.md") == config::documentation(),
        "run: parapet config docs > docs/configuration.md"
    );
}

#[test]
fn the_shortest_file_loads_with_every_default() {
    let config = load(MINIMAL, &[]).unwrap().config;
    assert_eq!(config.server.listen, [Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 8080)))]);
    assert_eq!(config.admin, Some(SocketAddr::from(([127, 0, 0, 1], 9901))));
    assert_eq!(config.limits.failures_per_address.count.get(), 20);
    assert_eq!(config.upstream.discovery_path, None);
    assert!(config.clients.is_empty() && config.upstream.secret_header.is_none());
}

#[test]
fn keys_of_later_work_are_accepted_at_their_defaults() {
    let text = format!(
        "{MINIMAL}[par]\nprofile = \"oauth\"\n[authorize]\ncontinuation = true\npin = true\n\
         mask_html = false\nmask_failure = \"pass\"\n[request_object]\nenabled = true\n\
         required = false\n[store]\nbackend = \"memory\"\nreplicas = 1\n[[clients]]\n\
         client_id = \"app\"\nauthentication = \"none\"\nprofile = \"oauth\"\n\
         require_signed_request_object = false\n"
    );
    load(&text, &[]).unwrap();
}

#[test]
fn b122_b170_no_configuration_outlives_its_profile() {
    let schema: serde_json::Value = serde_json::from_str(&config::schema_text()).unwrap();
    let lifetime = &schema["properties"]["par"]["properties"]["lifetime"];
    assert_eq!(lifetime["x-longest"], "599s");
    for profile in config::Profile::ALL {
        assert!(profile.rules().longest_request_uri >= Duration::from_secs(599));
        let text = format!("{MINIMAL}[par]\nprofile = \"{}\"\n", profile.as_str());
        let par = load(&format!("{text}lifetime = \"599s\"\n"), &[]).unwrap().config.par;
        assert_eq!(par.profile, profile);
        assert_eq!(par.require_pkce, profile != config::Profile::Oauth);
        for lifetime in ["600s", "0s", "-1s", "4s"] {
            let said = problems(&format!("{text}lifetime = \"{lifetime}\"\n"), &[]);
            assert!(said.contains("expected a time from \"5s\" to \"599s\""), "{said}");
        }
    }
}

#[test]
fn b056_fapi_clients_prove_themselves_by_keys() {
    for profile in ["fapi1", "fapi2"] {
        for method in ["none", "client_secret_basic", "client_secret_post", "client_secret_jwt"] {
            let secret = if method == "none" { "" } else { "secret_env = \"HOME\"\n" };
            let said = problems(
                &format!(
                    "{MINIMAL}[[clients]]\nclient_id = \"a\"\nprofile = \"{profile}\"\n\
                     authentication = \"{method}\"\n{secret}"
                ),
                &[("HOME", "x")],
            );
            let expected = format!(
                "profile {profile} allows \"private_key_jwt\", \"tls_client_auth\", \
                 \"self_signed_tls_client_auth\" only, found \"{method}\""
            );
            assert!(said.contains(&expected), "{said}");
        }
    }
}

#[test]
fn variables_replace_what_the_file_says() {
    let text = format!("{MINIMAL}[par]\nlifetime = \"20s\"\n");
    let variables = [
        ("PARAPET__PAR__LIFETIME", "90s"),
        ("PARAPET__PAR__REQUIRED", "true"),
        ("PARAPET__PAR__MAX_BODY_BYTES", "2048"),
        ("PARAPET__SERVER__LISTEN", "127.0.0.1:0, unix:/run/parapet.sock"),
        ("PARAPET__SERVER__ISSUER", "https://other.example/"),
        ("PARAPET__ADMIN__LISTEN", ""),
        ("PARAPET__UPSTREAM__SECRET_HEADER", "X-Parapet"),
        ("PARAPET__UPSTREAM__SECRET_HEADER_VALUE", "s3cret"),
        ("PARAPET_CONFIG", "elsewhere.toml"),
    ];
    let config = load(&text, &variables).unwrap().config;
    assert_eq!(config.par.lifetime, Duration::from_secs(90));
    assert!(config.par.required);
    assert_eq!(config.par.max_body_bytes, 2048);
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(config.server.issuer.as_str(), "https://other.example/");
    assert_eq!(config.admin, None);
    let header = config.upstream.secret_header.unwrap();
    assert_eq!((header.name.as_str(), header.value.as_bytes()), ("x-parapet", &b"s3cret"[..]));
    assert!(header.value.is_sensitive());
}

#[test]
fn variables_are_checked_like_the_file() {
    let variables = [
        ("PARAPET__PAR__LIFETIM", "90s"),
        ("PARAPET__PAR__LIFETIME", "90"),
        ("PARAPET__PAR__REQUIRED", "yes"),
        ("PARAPET__SERVER__TRUSTED_PROXIES", "10.0.0.0/8,proxy"),
        ("PARAPET__CLIENTS__0__SECRET", "hunter2"),
        ("PARAPET__UPSTREAM__SECRET_HEADER_VALUE", "hunter2"),
        ("PARAPET__STORE__BACKEND", "file"),
    ];
    let said = problems(MINIMAL, &variables);
    let expected = "\
PARAPET__CLIENTS__0__SECRET: clients cannot be set by environment variables
      = name a folder of client files in PARAPET__CLIENTS_DIR

PARAPET__PAR__LIFETIM: this variable sets no known key
      = did you mean PARAPET__PAR__LIFETIME?

PARAPET__PAR__LIFETIME: `lifetime` in [par]: expected a time from \"5s\" to \"599s\", found \"90\"

PARAPET__PAR__REQUIRED: `required` in [par]: expected true or false, found \"yes\"

PARAPET__SERVER__TRUSTED_PROXIES: `trusted_proxies` in [server]: expected an address or a range \
such as \"10.0.0.0/8\", found \"proxy\"

PARAPET__STORE__BACKEND: `backend` in [store]: expected one of \"memory\", \"redis\", found \"file\"
";
    let (_, variables) = said.split_once("\n\n").unwrap();
    assert_eq!(variables, expected);
    assert!(said.contains("`secret_header` in [upstream]: missing, but its value is set"));
}

#[test]
fn log_levels_are_those_that_the_log_takes() {
    for level in [
        "info",
        "INFO",
        "off",
        "warn,parapet::proxy=debug",
        " warn , parapet=trace ",
        "[request]=debug",
        "parapet[span{a=1,b=2}]=debug",
        "",
        "infoo",
        "info,",
        "parapet=louder",
        "info,parapet",
    ] {
        let loaded = load(&format!("{MINIMAL}[log]\nlevel = \"{level}\"\n"), &[]);
        let takes = parapet::telemetry::check_level(level).is_ok();
        assert_eq!(loaded.is_ok(), takes, "{level}");
    }
}

#[test]
fn a_secret_has_four_spellings() {
    let folder = Folder::new();
    folder.write("secret", "from file\n");
    folder.write("secret-crlf", "from file\r\n");
    folder.write("secret-bare", "from file");
    // `printf hunter2 | sha256sum`
    let digest = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
    for (key, secret) in [
        ("secret = \"plain\"".to_owned(), "plain"),
        ("secret_file = \"secret\"".to_owned(), "from file"),
        ("secret_file = \"secret-crlf\"".to_owned(), "from file"),
        ("secret_file = \"secret-bare\"".to_owned(), "from file"),
        ("secret_env = \"WEB_SECRET\"".to_owned(), "from variable"),
        (format!("secret_sha256 = \"{digest}\""), "hunter2"),
    ] {
        let text = format!(
            "{MINIMAL}[[clients]]\nclient_id = \"web\"\nauthentication = \"client_secret_post\"\n{key}\n"
        );
        let loaded = folder.load(&text, &[("WEB_SECRET", "from variable")]).unwrap();
        let client = &loaded.config.clients[0];
        assert!(accepts(client, secret) && !accepts(client, ""), "{key}");
        let Authentication::ClientSecretPost(_) = client.authentication else {
            panic!("{key}");
        };
    }
}

#[test]
fn client_files_are_read_in_the_order_of_their_names() {
    let folder = Folder::new();
    let client = |name: &str| format!("[[clients]]\nclient_id = \"{name}\"\nsecret_file = \"s\"\n");
    folder.write("clients.d/20.toml", &client("c"));
    folder.write("clients.d/10.toml", &(client("a") + &client("b")));
    folder.write("clients.d/notes.txt", "not read");
    folder.write("clients.d/s", "beside the client file\n");
    let text = format!("clients_dir = \"clients.d\"\n{MINIMAL}");
    let loaded = folder.load(&text, &[]).unwrap();
    let names: Vec<_> = loaded.config.clients.iter().map(|client| &*client.client_id).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(accepts(&loaded.config.clients[2], "beside the client file"));
    let merged = toml::to_string(&loaded.merged).unwrap();
    assert_eq!(merged.matches("[[clients]]").count(), 3);
    assert!(!merged.contains("clients_dir"));
}

#[test]
fn tls_files_and_a_header_for_the_upstream() {
    let folder = Folder::new();
    let tls = std::fs::canonicalize("tests/fixtures/config/tls").unwrap();
    let tls = tls.display();
    let text = format!(
        "[server]\nissuer = \"https://login.example.com\"\n[upstream]\n\
         url = \"https://idp.internal\"\nsecret_header = \"X-Gate\"\n\
         secret_header_value_file = \"gate\"\n[upstream.tls]\nca = \"{tls}/client.crt\"\n\
         client_certificate = \"{tls}/client.crt\"\nclient_key = \"{tls}/client.key\"\n"
    );
    folder.write("gate", "of the gate\n");
    let upstream = folder.load(&text, &[]).unwrap().config.upstream;
    assert!(upstream.tls.ca.is_some() && upstream.tls.client_identity.is_some());
    assert_eq!(upstream.secret_header.unwrap().value.as_bytes(), b"of the gate");
}

#[test]
fn what_show_prints_can_be_read_again() {
    let text = format!("{MINIMAL}[[clients]]\nclient_id = \"app\"\nauthentication = \"none\"\n");
    let merged = toml::to_string(&load(&text, &[]).unwrap().merged).unwrap();
    let again = toml::to_string(&load(&merged, &[]).unwrap().merged).unwrap();
    assert_eq!(merged, again);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a file holds, there is an answer and no panic.
    #[test]
    fn no_file_causes_a_panic(
        lines in prop::collection::vec(
            prop_oneof![
                "[a-z_]{1,9} = [\"a-z0-9\\[\\]{}=, ü\t]{0,12}",
                "\\[{1,2}(server|par|clients|upstream|store)\\]{0,2}",
                "(secret|issuer|url|listen|lifetime) = \"?[a-z:/0-9@ü]{0,9}\"?",
                any::<String>(),
            ],
            0..8,
        )
    ) {
        let text = lines.join("\n");
        if let Err(problems) = load(&text, &[]) {
            prop_assert!(!problems.to_string().is_empty());
        }
    }
}
