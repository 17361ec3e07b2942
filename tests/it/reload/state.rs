//! What outlives a reload: requests that wait, budgets, the memory of replays.

use http::StatusCode;

use super::{Scene, until};
use crate::support::http::{encode, get};
use crate::support::jose::Signer;

#[tokio::test]
async fn what_was_pushed_is_redeemed_after_a_reload_and_while_the_file_is_bad() {
    let scene = Scene::start("").await;
    let (first, second) = (scene.pushed().await, scene.pushed().await);
    scene.change("[par]\nlifetime = \"20s\"\nrequired = true\n", "applied").await;
    let answer = scene.get(&first).await;
    assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.text());
    assert!(answer.header("location").unwrap().starts_with("https://client.example/cb?code="));
    scene.change("[par]\nlifetime = 1\n", "invalid").await;
    assert_eq!(scene.get(&second).await.status, StatusCode::FOUND);
    // What was used up stays so, and the reload that was applied is the one in use.
    assert_eq!(scene.get(&first).await.status, StatusCode::BAD_REQUEST);
    let plain = "/authorize?client_id=web&response_type=code";
    assert_eq!(scene.get(plain).await.status, StatusCode::BAD_REQUEST);
    let pushed = scene.push("web", "web-secret").await;
    assert_eq!(pushed.json()["expires_in"], 20);
}

#[tokio::test]
async fn budgets_are_not_full_again_after_a_reload() {
    let limits = |pushes: &str, failures: &str| {
        format!(
            "[limits]\npushes_per_client = \"{pushes}/h\"\nfailures_per_address = \"{failures}/h\"\n"
        )
    };
    let scene = Scene::start(&limits("3", "2")).await;
    for _ in 0..3 {
        scene.pushed().await;
    }
    let is_refused = async || scene.push("web", "web-secret").await.status;
    assert_eq!(is_refused().await, StatusCode::TOO_MANY_REQUESTS);
    scene.change(&(limits("3", "2") + "[par]\nlifetime = \"20s\"\n"), "applied").await;
    assert_eq!(is_refused().await, StatusCode::TOO_MANY_REQUESTS);
    // One that comes back sooner lets nobody wait for longer than it takes to come back.
    let (made, limited) = (StatusCode::CREATED, StatusCode::TOO_MANY_REQUESTS);
    let sooner = limits("5", "2").replace("5/h", "5/s");
    scene.change(&sooner, "applied").await;
    until("there is room again", async || is_refused().await == made).await;

    let wrong = async || scene.push("nobody", "wrong").await.status;
    for _ in 0..3 {
        assert_eq!(wrong().await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(wrong().await, limited);
    scene.change(&limits("5", "3"), "applied").await;
    assert_eq!(wrong().await, limited);
}

#[tokio::test]
async fn an_assertion_works_once_whatever_is_reloaded_and_by_either_secret() {
    let (old, new) = ("o".repeat(32), "n".repeat(32));
    let client = |secrets: &str| {
        format!(
            "[[clients]]\nclient_id = \"app\"\nauthentication = \"client_secret_jwt\"\n{secrets}\n"
        )
    };
    let scene = Scene::start(&client(&format!("secret = \"{old}\""))).await;
    let assertion = |secret: &str, id: &str| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let claims = serde_json::json!({
            "iss": "app", "sub": "app", "aud": "http://127.0.0.1:8080", "jti": id,
            "exp": now.as_secs() + 120,
        });
        Signer::with_secret(parapet::jose::Algorithm::Hs256, secret.as_bytes()).token(&claims)
    };
    let push = async |assertion: String| {
        let form = [
            ("response_type", "code"),
            ("redirect_uri", "https://client.example/cb"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        let url = format!("{}/par", scene.gateway.url);
        super::post(&url, "application/x-www-form-urlencoded", encode(&form)).await.status
    };
    let first = assertion(&old, "1");
    assert_eq!(push(first.clone()).await, StatusCode::CREATED);
    assert_eq!(push(assertion(&new, "2")).await, StatusCode::UNAUTHORIZED);
    let both = client(&format!("secret = \"{new}\"\nprevious_secret = \"{old}\""));
    scene.change(&both, "applied").await;
    assert_eq!(push(first).await, StatusCode::UNAUTHORIZED, "it was used before");
    assert_eq!(push(assertion(&new, "3")).await, StatusCode::CREATED);
    assert_eq!(push(assertion(&old, "4")).await, StatusCode::CREATED);
    scene.change(&client(&format!("secret = \"{new}\"")), "applied").await;
    assert_eq!(push(assertion(&old, "5")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(push(assertion(&new, "6")).await, StatusCode::CREATED);
}

#[tokio::test]
async fn metrics_and_documents_go_on() {
    let scene = Scene::start("").await;
    scene.pushed().await;
    let name = "parapet_push_requests_total{result=\"accepted\",error=\"none\",\
                auth_method=\"client_secret_basic\"}";
    let before = scene.metric(name).await;
    scene.change("[par]\nlifetime = \"20s\"\n", "applied").await;
    assert_eq!(scene.admin("/readyz").await.status, 200, "no moment without documents");
    scene.pushed().await;
    assert_eq!(scene.metric(name).await, before + 1.0);
    let document = get(&format!("{}/.well-known/openid-configuration", scene.gateway.url)).await;
    assert!(document.json()["pushed_authorization_request_endpoint"].is_string());
}
