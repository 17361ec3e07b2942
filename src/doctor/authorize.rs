//! The authorization endpoint: where it is, and whether it takes requests by `GET` and by `POST`.

use bytes::Bytes;
use http::Response;

use super::Finding;
use super::answer::Kind;
use super::documents::Documents;
use super::prober::Prober;
use crate::config::AuthorizeMethod;

/// Paths at which servers without metadata have been seen to listen.
const USUAL: [&str; 7] = [
    "/authorize",
    "/oauth2/authorize",
    "/o/authorize/",
    "/oauth/authorize",
    "/connect/authorize",
    "/auth",
    "/api/glwd/oidc/auth",
];

/// The endpoint, once something was heard of it.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Path and, where it has one of its own, query.
    pub(super) target: String,
    /// What it answers to a whole request.
    pub(super) answer: Response<Bytes>,
    pub(super) kind: Kind,
    /// What the server answers where there is nothing.
    pub(super) elsewhere: Option<Kind>,
}

impl Endpoint {
    /// The path alone.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether an answer is this endpoint's, and not that of any path.
    pub(super) fn is_like(&self, kind: &Kind) -> bool {
        *kind == self.kind && self.elsewhere.as_ref() != Some(kind)
    }

    /// Whether its answers differ from those of paths where there is nothing.
    pub(super) fn can_be_told(&self) -> bool {
        self.elsewhere.as_ref() != Some(&self.kind)
    }
}

pub(super) async fn look(
    prober: &Prober<'_>,
    documents: &Documents,
) -> (Option<Endpoint>, Vec<Finding>) {
    const CHECK: &str = "authorize.get";
    let nowhere = prober.authorize_target(&format!("/parapet-doctor-{}", prober.mark));
    let elsewhere = prober.get(&nowhere).await.ok().as_ref().map(Kind::of);
    let configured = prober.config.upstream.authorization_path.clone();
    let known = configured.or_else(|| documents.target("authorization_endpoint", prober));
    let Some(target) = known else {
        return (None, vec![search(prober, elsewhere.as_ref()).await]);
    };
    let answer = match prober.get(&prober.authorize_target(&target)).await {
        Ok(answer) => answer,
        Err(error) => {
            return (None, vec![Finding::problem(CHECK, format!("{target} {error}"))]);
        }
    };
    let kind = Kind::of(&answer);
    let endpoint = Endpoint { target, answer, kind, elsewhere };
    let by_post = prober.post(&endpoint.target, &prober.authorization_request()).await;
    let by_post = by_post.as_ref().ok().map(Kind::of);
    let findings = methods(&endpoint, by_post.as_ref(), prober.config.upstream.authorize_method);
    (Some(endpoint), findings)
}

/// Nobody says where it is.
async fn search(prober: &Prober<'_>, elsewhere: Option<&Kind>) -> Finding {
    const CHECK: &str = "authorize.path";
    for path in USUAL {
        let Ok(answer) = prober.get(&prober.authorize_target(path)).await else {
            continue;
        };
        let kind = Kind::of(&answer);
        if kind.is_of_an_endpoint() && elsewhere != Some(&kind) {
            return Finding::problem(CHECK, format!("not known; {path} answers like one")).line(
                "upstream",
                "authorization_path",
                path,
            );
        }
    }
    Finding::problem(CHECK, "not known, and not at any of the usual paths")
        .advice("name it in [upstream] authorization_path")
}

fn methods(endpoint: &Endpoint, by_post: Option<&Kind>, used: AuthorizeMethod) -> Vec<Finding> {
    let (get, post) = ("authorize.get", "authorize.post");
    let path = endpoint.path();
    let gets = endpoint.kind.is_of_an_endpoint() && endpoint.can_be_told();
    let posts = by_post.is_some_and(|kind| {
        kind.is_of_an_endpoint() && kind.status != 403 && endpoint.elsewhere.as_ref() != Some(kind)
    });
    let answered = |kind: &Kind| format!("{path} answers {}", kind.status);
    let get = match (gets, posts, used) {
        (true, _, _) => Finding::good(get, answered(&endpoint.kind)),
        (false, true, AuthorizeMethod::Post) => {
            Finding::good(get, format!("{}, and is not used", answered(&endpoint.kind)))
        }
        (false, true, AuthorizeMethod::Get) => Finding::problem(get, answered(&endpoint.kind))
            .advice("it takes requests by POST")
            .line("upstream", "authorize_method", "post"),
        (false, false, _) => Finding::problem(get, answered(&endpoint.kind)).advice(
            "there is nothing that looks like an authorization endpoint; see [upstream] \
             authorization_path",
        ),
    };
    let said = by_post.map_or_else(|| "no answer".to_owned(), answered);
    let post = match (posts, used) {
        (true, _) => {
            Finding::good(post, format!("{said}; authorize_method = \"post\" can be used"))
        }
        (false, AuthorizeMethod::Get) => Finding::good(post, format!("{said}; it is not used")),
        (false, AuthorizeMethod::Post) => Finding::problem(post, said)
            .advice("it takes no requests by POST")
            .line("upstream", "authorize_method", "get"),
    };
    vec![get, post]
}
