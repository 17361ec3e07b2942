//! The pages of the legacy server.

use std::fmt::Write as _;

use http::StatusCode;

use crate::page::{self, Owner, escape};
use crate::web::{self, Answer, Parameters};

/// The login page; `problem` is empty on the first try.
pub(crate) fn login(csrf_token: &str, next: &str, problem: &str) -> String {
    let problem = if problem.is_empty() {
        String::new()
    } else {
        format!("<p class=\"bad\" role=\"alert\">{}</p>", escape(problem))
    };
    let body = format!(
        "<p class=\"soft\">The name and the password are filled in for you.</p>{problem}\
         <form class=\"card\" method=\"post\" action=\"/login\">{}{}\
         <label for=\"username\">Name</label>\
         <input id=\"username\" name=\"username\" value=\"alice\" autocomplete=\"username\" required>\
         <label for=\"password\">Password</label>\
         <input id=\"password\" name=\"password\" type=\"password\" value=\"wonderland\" \
         autocomplete=\"current-password\" required>\
         <div class=\"buttons\"><button id=\"login\">Log in</button></div></form>\
         <p class=\"soft small\">Look at the address bar: <code>next=</code> says what comes after \
         the login.</p>",
        hidden("csrf_token", csrf_token),
        hidden("next", next),
    );
    page::layout(Owner::Legacy, "Log in", &body)
}

/// The consent page, which carries the whole request in hidden fields.
pub(crate) fn consent(username: &str, csrf_token: &str, request: &Parameters) -> String {
    let mut fields = hidden("csrf_token", csrf_token);
    for (name, value) in &request.0 {
        fields.push_str(&hidden(name, value));
    }
    let mut wishes = String::new();
    for scope in request.value("scope").split_ascii_whitespace() {
        let wish = match scope {
            "openid" => "know that it is you".to_owned(),
            "profile" => "see your name".to_owned(),
            other => format!("use “{}”", escape(other)),
        };
        let _ = write!(wishes, "<li>{wish}</li>");
    }
    let body = format!(
        "<p>You are logged in as <strong>{}</strong>.</p>\
         <form class=\"card\" method=\"post\" action=\"/authorize\">{fields}\
         <p><strong>{}</strong> would like to:</p><ul>{wishes}</ul>\
         <div class=\"buttons\"><button id=\"allow\" name=\"answer\" value=\"allow\">Allow</button>\
         <button class=\"quiet\" name=\"answer\" value=\"deny\">Deny</button></div></form>",
        escape(username),
        escape(request.value("client_id")),
    );
    page::layout(Owner::Legacy, "May it?", &body)
}

/// The request cannot be answered to the client.
pub(crate) fn refusal(why: &str) -> Answer {
    let body =
        format!("<p>{}</p><p class=\"soft\">Nothing was sent to the application.</p>", escape(why));
    let page = page::layout(Owner::Legacy, "This request is not in order", &body);
    web::html(StatusCode::BAD_REQUEST, page)
}

/// A form whose session is gone, or that came from elsewhere.
pub(crate) fn stale() -> Answer {
    let body = "<p>Go back to the application and sign in from there once more.</p>";
    let page = page::layout(Owner::Legacy, "This page is out of date", body);
    web::html(StatusCode::BAD_REQUEST, page)
}

/// The front door.
pub(crate) fn home() -> Answer {
    let body = "<p>Nothing happens here until an application sends you.</p>";
    let page = page::layout(Owner::Legacy, "Welcome", body);
    web::html(StatusCode::OK, page)
}

/// Another address.
pub(crate) fn not_found() -> Answer {
    let body = "<p>There is nothing at this address.</p>";
    let page = page::layout(Owner::Legacy, "Not found", body);
    web::html(StatusCode::NOT_FOUND, page)
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
}
