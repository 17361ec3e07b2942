//! `deploy/compose`: is the file sound, and does what it starts work together?

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::header::COOKIE;
use http::{Request, StatusCode};
use serde_json::Value;
use url::Url;

use super::image::of_dockerfile;
use super::pods::drain;
use super::tools::{list, run, text, verdict, yaml};
use crate::support::browser::Browser;
use crate::support::gateway::Gateway;
use crate::support::http::{get, send};
use crate::support::idp::Django;
use crate::support::ports::free_port;
use crate::support::process::Process;

const FOLDER: &str = "deploy/compose";

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()
}

fn compose() -> Value {
    yaml(&read("compose.yaml")).remove(0)
}

fn services(compose: &Value) -> impl Iterator<Item = (&str, &Value)> {
    compose["services"].as_object().unwrap().iter().map(|(name, service)| (name.as_str(), service))
}

#[test]
fn every_service_is_pinned_and_locked_in() {
    let compose = compose();
    let names: Vec<_> = services(&compose).map(|(name, _)| name).collect();
    assert_eq!(names, ["client", "django", "parapet", "redis"]);
    for (name, service) in services(&compose) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert!(service["privileged"].is_null() && service["network_mode"].is_null(), "{name}");
        let option = &service["security_opt"][0];
        assert_eq!(option, "no-new-privileges:true", "{name}");
        let built = &service["build"]["dockerfile_inline"];
        let images = service["image"].as_str().into_iter().chain(
            built
                .as_str()
                .into_iter()
                .flat_map(|text| text.lines())
                .filter_map(|line| line.strip_prefix("FROM ")),
        );
        let mut images = images.peekable();
        assert!(images.peek().is_some(), "{name}");
        for image in images {
            let tag = image.split_once(':').map_or("", |(_, tag)| tag);
            assert!(tag.starts_with(|first: char| first.is_ascii_digit()), "{name}: {image}");
        }
        for port in list(service, "/ports") {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port}");
        }
        for network in list(service, "/networks") {
            assert!(!compose["networks"][network.as_str().unwrap()].is_null(), "{name}: {network}");
        }
    }
    // The server is behind the gateway alone.
    let django = &compose["services"]["django"];
    assert!(django["ports"].is_null() && django["networks"] == serde_json::json!(["back"]));
    assert_eq!(compose["networks"]["back"]["internal"], true);
}

#[test]
fn everything_that_it_names_is_there() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for volume in list(service, "/volumes") {
            let (file, _) = volume.as_str().unwrap().split_once(':').unwrap();
            assert!(Path::new(FOLDER).join(file).exists(), "{name}: {file}");
            assert!(volume.as_str().unwrap().ends_with(":ro"), "{name}: {volume}");
        }
        let context = Path::new(FOLDER).join(text(service, "/build/context"));
        let file = context.join(text(service, "/build/dockerfile"));
        assert!(context.is_dir() && file.exists(), "{name}: {}", file.display());
        let inline = text(service, "/build/dockerfile_inline");
        for copied in inline.lines().filter_map(|line| line.strip_prefix("COPY ")) {
            for file in copied.split_whitespace().filter(|file| *file != "./") {
                assert!(context.join(file).exists(), "{name}: {file}");
            }
        }
        for dependency in service["depends_on"].as_object().into_iter().flat_map(|all| all.keys()) {
            assert!(!compose["services"][dependency].is_null(), "{name}: {dependency}");
        }
    }
}

#[test]
fn the_gateway_is_configured_for_both_stores() {
    let compose = compose();
    let gateway = &compose["services"]["parapet"];
    let named = text(gateway, "/environment/PARAPET_CONFIG");
    assert_eq!(named, "/etc/parapet/${PARAPET_STORE:-memory}.toml");
    let django = text(&compose["services"]["django"], "/environment/ISSUER");
    let mut tables = Vec::new();
    for store in ["memory", "redis"] {
        let file = format!("{FOLDER}/gateway/{store}.toml");
        let mut parapet = Command::new(env!("CARGO_BIN_EXE_parapet"));
        verdict(&run(parapet.env_clear().args(["check", "--config", &file]), "")).unwrap();
        let mut table: toml::Table = read(&format!("gateway/{store}.toml")).parse().unwrap();
        assert_eq!(table["server"]["issuer"].as_str(), Some(django));
        assert_eq!(table["upstream"]["url"].as_str(), Some("http://django:9000"));
        for (port, listen) in ["8080", "9901"].iter().zip([
            table["server"]["listen"][0].as_str().unwrap(),
            table["admin"]["listen"].as_str().unwrap(),
        ]) {
            assert_eq!(listen, format!("0.0.0.0:{port}"));
            let published = format!("127.0.0.1:{port}:{port}");
            assert!(list(gateway, "/ports").iter().any(|found| *found == published));
            assert!(of_dockerfile("EXPOSE").split(' ').any(|exposed| exposed == *port));
        }
        let grace = text(gateway, "/stop_grace_period").trim_end_matches('s');
        assert!(grace.parse::<u64>().unwrap() > drain(&table));
        assert_eq!(table.remove("store").unwrap()["backend"].as_str(), Some(store));
        tables.push(table);
    }
    assert_eq!(tables[0], tables[1], "they differ in the store alone");
}

/// The three programs of the file with their own configuration, on other ports.
#[tokio::test]
async fn a_person_can_click_through() {
    let [public, client] = [free_port(), free_port()].map(|port| format!("localhost:{port}"));
    let moved =
        |text: &str| text.replace("localhost:8080", &public).replace("localhost:8081", &client);
    let compose = compose();
    let django = &compose["services"]["django"]["environment"];
    let callback = moved(text(django, "/REDIRECT_URI"));
    let django = Django::start(&moved(text(django, "/ISSUER")), &callback).await;
    let toml = moved(&read("gateway/memory.toml"))
        .replace("0.0.0.0:8080", &public.replace("localhost", "127.0.0.1"))
        .replace("0.0.0.0:9901", "127.0.0.1:0")
        .replace("http://django:9000", &django.url);
    let gateway = Gateway::start(&toml).await;
    let settings = &compose["services"]["client"]["environment"];
    let settings = settings.as_object().unwrap().iter().map(|(name, value)| {
        let value = moved(value.as_str().unwrap())
            .replace("0.0.0.0:8081", &client.replace("localhost", "127.0.0.1"))
            .replace("http://parapet:8080", &gateway.url);
        (name.clone(), value)
    });
    let mut program = Command::new("python3");
    program.args(["-u", "deploy/compose/client.py"]).envs(settings);
    let mut process = Process::spawn(&mut program);
    process
        .wait_for(Duration::from_secs(30), |output| output.contains("client on").then_some(()))
        .await;

    let home = format!("http://{client}");
    assert!(get(&format!("{home}/")).await.text().contains("href=\"/login\""));
    let begun = get(&format!("{home}/login")).await;
    assert_eq!(begun.status, StatusCode::FOUND, "{}", begun.text());
    let cookie = begun.header("set-cookie").unwrap().split(';').next().unwrap();
    let first = Url::parse(begun.header("location").unwrap()).unwrap();
    let names: Vec<_> = first.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "request_uri"]);
    let journey = Browser::default().sign_in(&first, &callback).await.expect("a login");
    let back = Request::get(journey.callback.as_str()).header(COOKIE, cookie);
    let page = send(back.body(Bytes::new()).unwrap()).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.text().contains("Signed in"), "{}", page.text());
    // Somebody else's browser gets nothing of it.
    let again = get(journey.callback.as_str()).await;
    assert_eq!(again.status, StatusCode::BAD_GATEWAY, "{}", again.text());
}
