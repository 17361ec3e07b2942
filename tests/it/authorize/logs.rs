//! What the gateway writes at its loudest: enough to join a story, nothing to replay it.

use super::{FORM, Front, cookies, redirect};

/// Beside the references and tickets of each run.
const SECRETS: [&str; 7] = [
    "PLANTEDCODE",
    "PLANTEDSTATE",
    "PLANTEDNONCE",
    "PLANTEDHINT",
    "PLANTEDERROR",
    "web-secret",
    "d2ViOndlYi1zZWNyZXQ",
];

async fn front(format: &str) -> Front {
    let settings = format!("[log]\nlevel = \"trace\"\nformat = \"{format}\"");
    Front::answering(&settings, |seen| {
        let answer = match seen.target.get(..5) {
            Some("/done") => "code=PLANTEDCODE",
            Some("/fail") => "error=PLANTEDERROR",
            _ => return super::ok("login"),
        };
        let to = format!("https://client.example/cb?{answer}&state=PLANTEDSTATE");
        redirect("302 Found", &to)
    })
    .await
}

/// Two browsers run one request to its end, and some more is tried; gives the secrets of the run.
async fn run(front: &Front, end: &str) -> Vec<String> {
    let mut form = FORM.to_vec();
    form[2] = ("state", "PLANTEDSTATE");
    form.extend([("nonce", "PLANTEDNONCE"), ("login_hint", "PLANTEDHINT")]);
    let query = front.push("web", &form).await;
    let mut secrets = vec![query.rsplit(':').next().unwrap().to_owned()];
    let target = format!("/authorize?{query}&state=PLANTEDSTATE&login_hint=PLANTEDHINT");
    let browsers = [front.visit(&target).await, front.visit(&target).await];
    for browser in &browsers {
        let cookie = cookies(&[browser]);
        let ticket = cookie.trim().rsplit('=').next().unwrap();
        secrets.push(ticket.to_owned());
        front.visit_with(&target, &cookie).await;
        let end = format!("{end}?code=PLANTEDCODE&state=PLANTEDSTATE");
        front.visit_with(&end, &cookie).await;
    }
    front.visit(&target).await;
    front.visit(&format!("{target}&client_id=web")).await;
    front.post("/authorize", &format!("{query}&state=PLANTEDSTATE")).await;
    front.post("/login?state=PLANTEDSTATE", "password=PLANTEDCODE").await;
    secrets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b214_no_log_line_holds_what_opens_a_door() {
    for format in ["json", "text"] {
        let front = front(format).await;
        let mut secrets = run(&front, "/done").await;
        secrets.extend(run(&front, "/fail").await);
        let evil = "https://evil.example/PLANTEDSTATE";
        let bad = [("response_type", "code"), ("redirect_uri", evil)];
        assert_eq!(front.try_push("web", &bad).await.status, 400);
        let (status, output) = front.gateway.stop();
        assert!(status.success(), "{output}");
        assert!(output.contains("completion") && output.contains("redeem"), "{output}");
        for secret in secrets.iter().map(String::as_str).chain(SECRETS) {
            assert!(secret.len() > 8 && !output.contains(secret), "{secret} in\n{output}");
        }
    }
}
