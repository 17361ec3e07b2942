//! The pages of the demo client.

use std::fmt::Write as _;

use serde_json::Value;

use crate::exposure::{Direction, Part, Tells, request_parameters};
use crate::journey::{Hop, Journey, Outcome, Push, Way};
use crate::page::{self, Owner, escape};

/// The first page: what it is about, and two buttons.
pub(crate) fn home(server: &str, can_push: bool) -> String {
    let server = escape(server);
    let about = if can_push {
        format!(
            "The authorization server is old and knows nothing of PAR. The gateway at {server} \
             stands in front of it and adds it. Both buttons lead to the same server, the same \
             login and the same tokens."
        )
    } else {
        format!("The authorization server at {server} is old and knows nothing of PAR.")
    };
    let body = format!(
        "<p>To sign you in, this application sends an <em>authorization request</em> to an \
         authorization server: who asks, for what, and where to send the answer. The question is \
         which way the request goes.</p>{}\
         <h2>What to look at</h2>\
         <p>Log in as <strong>alice</strong> with the password <strong>wonderland</strong> (both \
         are filled in) and keep an eye on the address bar. Afterwards this page lists every \
         address that the browser saw, with the parameters it gave away.</p>\
         <p class=\"soft small\">{about}</p>",
        buttons(can_push),
    );
    page::layout(Owner::Client, "One sign-in, two ways", &body)
}

/// What happened, hop by hop, and the claims.
pub(crate) fn result(journey: &Journey, outcome: &Outcome, can_push: bool) -> String {
    let way = match journey.way {
        Way::Plain => "the old way",
        Way::Par => "with PAR",
    };
    let (title, claims) = match outcome {
        Outcome::SignedIn { id_token, userinfo } => {
            let name = userinfo.get("name").and_then(Value::as_str);
            let title = format!("Signed in as {}, {way}", name.unwrap_or("somebody"));
            (title, claims(id_token, userinfo))
        }
        Outcome::Failed(why) => {
            let text = format!("<p class=\"bad\" id=\"failure\">{}</p>", escape(why));
            (format!("Not signed in, {way}"), text)
        }
    };
    let push = journey.push.as_ref().map(pushed).unwrap_or_default();
    let mut hops = String::new();
    for (at, hop) in journey.hops.iter().enumerate() {
        hops.push_str(&listed(at + 1, hop));
    }
    let body = format!(
        "{}{push}<h2>What the address bar saw</h2>{LEGEND}\
         <ol class=\"hops\">{hops}</ol>\
         <p class=\"soft small\">A page is listed when the browser names it in the Referer of the \
         form it sends; a browser that is told to send none leaves the pages in between out.</p>\
         <h2>What the client got</h2>{claims}<h2>Once more</h2>{}",
        verdict(journey),
        buttons(can_push),
    );
    page::layout(Owner::Client, &title, &body)
}

/// An answer that belongs to no sign-in begun here.
pub(crate) fn stray() -> String {
    let body = "<p>An answer of the authorization server arrived, but its <code>state</code> \
        belongs to no sign-in that this browser has under way here, so the client does not touch \
        it.</p><p class=\"soft\">If you began it by hand with curl, the code is in the address \
        bar.</p><p><a href=\"/\">Back to the start</a></p>";
    page::layout(Owner::Client, "Not begun here", body)
}

/// Another address.
pub(crate) fn not_found() -> String {
    let body = "<p>There is nothing at this address.</p><p><a href=\"/\">Back to the start</a></p>";
    page::layout(Owner::Client, "Not found", body)
}

fn buttons(can_push: bool) -> String {
    let par = if can_push {
        "<button id=\"par\" name=\"mode\" value=\"par\">Sign in with PAR</button>"
    } else {
        "<span class=\"bad\">Not now: this demonstration runs without the gateway.</span>"
    };
    format!(
        "<form class=\"two\" action=\"/start\">\
         <div class=\"card\"><h3>The old way</h3><p>Every parameter stands in the URL. Whoever \
         reads URLs (history, extensions, proxies, logs) can read it, and whoever holds the \
         browser can change it.</p>\
         <p><button id=\"plain\" class=\"quiet\" name=\"mode\" value=\"plain\">Sign in the old \
         way</button></p></div>\
         <div class=\"card\"><h3>Pushed Authorization Requests</h3><p>The client hands the request \
         to the server directly and gets a one-time reference. It sends the browser off with the \
         reference and nothing else (RFC 9126).</p><p>{par}</p></div></form>"
    )
}

/// The outcome in a sentence or two, made of what was seen and nothing else.
fn verdict(journey: &Journey) -> String {
    let mut hops = journey.hops.iter().map(Hop::parts);
    let first = hops.next().unwrap_or_default();
    let at_first = request_parameters(&first).len();
    let later: Vec<_> = hops.collect();
    let later = later.iter().map(|parts| request_parameters(parts).len());
    let at_most_later = later.max().unwrap_or_default();
    let (class, text) = match (at_first, at_most_later) {
        (0, 0) => ("verdict fine", stayed_out(journey)),
        (0, later) => (
            "verdict partly",
            format!(
                "<strong>The request stayed out of the address that the client sent.</strong></p>\
                 <p>Further on, this old server wrote the request into addresses of its own, with \
                 up to {later} parameters to read: see below."
            ),
        ),
        (first, _) => (
            "verdict",
            format!(
                "<strong>The client's address gave {first} parameters of the request away</strong>, \
                 to read and to change."
            ),
        ),
    };
    format!("<div class=\"card {class}\" id=\"verdict\"><p>{text}</p></div>")
}

/// The verdict on a journey whose addresses gave nothing away.
fn stayed_out(journey: &Journey) -> String {
    let mut text =
        "<strong>The request stayed out of every address that the browser saw.</strong> \
        They carried references that mean nothing to anybody but the gateway, which also replaced \
        the addresses that this old server had made of the request."
            .to_owned();
    if journey.hops.iter().any(|hop| !hop.in_the_page.is_empty()) {
        text.push_str(
            "</p><p>The consent page itself still held the request, in hidden fields: who reads \
             pages can read it there, but not change it. The gateway sets the pushed values back \
             when the form is sent.",
        );
    }
    text
}

fn pushed(push: &Push) -> String {
    format!(
        "<h2>Past the browser</h2><div class=\"card\" id=\"push\">\
         <h3>The client pushes the request</h3>\
         <p class=\"url\">POST {}</p>\
         <p class=\"names\">{}</p>\
         <p class=\"small soft\">The gateway's answer:</p><p class=\"url\">{}</p></div>",
        escape(&push.endpoint),
        escape(&push.names.join(", ")),
        escape(&push.answer),
    )
}

fn listed(number: usize, hop: &Hop) -> String {
    let parts = hop.parts();
    let names = request_parameters(&parts);
    let hidden = if hop.in_the_page.is_empty() {
        String::new()
    } else {
        format!(
            "<p class=\"small soft\">In hidden fields of the page, not in its address:</p>\
             <p class=\"names\">{}</p>",
            escape(&hop.in_the_page.join(", "))
        )
    };
    let tally = if hop.direction == Direction::Answer {
        "<p class=\"tally\">The answer to the client</p>".to_owned()
    } else if names.is_empty() {
        "<p class=\"tally good\">No parameter of the request in the address</p>".to_owned()
    } else {
        format!(
            "<p class=\"tally bad\">{} parameters exposed</p><p class=\"names\">{}</p>",
            names.len(),
            escape(&names.join(", "))
        )
    };
    format!(
        "<li class=\"card hop\" data-exposed=\"{}\" data-url=\"{}\" \
         data-in-the-page=\"{}\"><h3>{number}. {}</h3>\
         <p class=\"url\">{}</p>{tally}{hidden}<p class=\"small soft\">How we know: {}.</p></li>",
        escape(&names.join(" ")),
        escape(&hop.url),
        escape(&hop.in_the_page.join(" ")),
        escape(hop.title),
        parts.iter().map(marked).collect::<String>(),
        escape(hop.source),
    )
}

fn marked(part: &Part) -> String {
    let text = escape(&part.text);
    match &part.tells {
        Tells::Nothing => text,
        Tells::Request(name) => format!("<mark title=\"{}\">{text}</mark>", escape(name)),
        Tells::Reference(_) => format!("<mark class=\"reference\">{text}</mark>"),
        Tells::Answer(_) => format!("<mark class=\"answer\">{text}</mark>"),
    }
}

fn claims(id_token: &Value, userinfo: &Value) -> String {
    format!(
        "<div class=\"card\"><h3>Claims of the ID token</h3>\
         <p class=\"small soft\">Signature, issuer, audience, time and nonce are checked.</p>{}\
         </div><div class=\"card\"><h3>Answer of the userinfo endpoint</h3>{}</div>",
        table("id-token", id_token),
        table("userinfo", userinfo),
    )
}

fn table(id: &str, claims: &Value) -> String {
    let mut rows = String::new();
    for (name, value) in claims.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
            escape(name),
            escape(&text)
        );
    }
    format!("<table id=\"{id}\">{rows}</table>")
}

const LEGEND: &str = "<p class=\"small soft\"><mark>like this</mark> a parameter of the request, \
    to read and to change · <mark class=\"reference\">like this</mark> who asks, and the \
    reference · <mark class=\"answer\">like this</mark> the answer</p>";
