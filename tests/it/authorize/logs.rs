//! What the gateway writes at its loudest: enough to join a story, nothing to replay it.

use super::{FORM, Front, cookies, redirect};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b150_no_log_line_holds_what_opens_a_door() {
    for format in ["json", "text"] {
        let settings = format!("[log]\nlevel = \"trace\"\nformat = \"{format}\"");
        let front = Front::answering(&settings, |seen| match seen.target.as_str() {
            target if target.starts_with("/done") => redirect(
                "302 Found",
                "https://client.example/cb?code=PLANTEDCODE&state=PLANTEDSTATE",
            ),
            target if target.starts_with("/fail") => redirect(
                "302 Found",
                "https://client.example/cb?error=PLANTEDERROR&state=PLANTEDSTATE",
            ),
            _ => super::ok("login"),
        })
        .await;
        let mut secrets: Vec<String> = [
            "PLANTEDCODE",
            "PLANTEDSTATE",
            "PLANTEDNONCE",
            "PLANTEDHINT",
            "PLANTEDERROR",
            "web-secret",
            "d2ViOndlYi1zZWNyZXQ",
        ]
        .map(str::to_owned)
        .to_vec();
        let mut form = FORM.to_vec();
        form[2] = ("state", "PLANTEDSTATE");
        form.extend([("nonce", "PLANTEDNONCE"), ("login_hint", "PLANTEDHINT")]);
        for end in ["/done", "/fail"] {
            let query = front.push("web", &form).await;
            secrets.push(query.rsplit(':').next().unwrap().to_owned());
            let target = format!("/authorize?{query}&state=PLANTEDSTATE&login_hint=PLANTEDHINT");
            let browsers = [front.visit(&target).await, front.visit(&target).await];
            for browser in &browsers {
                let cookie = cookies(&[browser]);
                let ticket = cookie.trim().rsplit('=').next().unwrap();
                secrets.push(ticket.to_owned());
                front.visit_with(&target, &cookie).await;
                front
                    .visit_with(&format!("{end}?code=PLANTEDCODE&state=PLANTEDSTATE"), &cookie)
                    .await;
            }
            front.visit(&target).await;
            front.visit(&format!("{target}&client_id=web")).await;
            front.post("/authorize", &format!("{query}&state=PLANTEDSTATE")).await;
            front.post("/login?state=PLANTEDSTATE", "password=PLANTEDCODE").await;
        }
        let bad =
            [("response_type", "code"), ("redirect_uri", "https://evil.example/PLANTEDSTATE")];
        assert_eq!(front.try_push("web", &bad).await.status, 400);
        let (status, output) = front.gateway.stop();
        assert!(status.success(), "{output}");
        assert!(output.contains("completion") && output.contains("redeem"), "{output}");
        for secret in secrets {
            assert!(secret.len() > 8 && !output.contains(&secret), "{secret} in\n{output}");
        }
    }
}
