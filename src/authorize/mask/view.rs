//! What one page may show: reads its elements as they come by and puts tokens and handles in place
//! of what was pushed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use lol_html::send::Element;
use parking_lot::Mutex;

use super::token::Secret;
use super::{Shared, entity};
use crate::authorize::continuation::{self, Place};
use crate::authorize::departure::Emission;
use crate::oauth::parameters::Parameters;
use crate::oauth::request_uri::RequestUri;

/// Gives the emission for a path and a query.
pub(super) type Emit = dyn Fn(&str, &str) -> Emission + Send;

/// Where a page stands and what it must not show.
pub(super) struct Scene {
    /// The public origin.
    pub(super) origin: String,
    /// The page's own path.
    pub(super) path: String,
    /// Pushed pairs and their tokens.
    pub(super) secrets: Vec<Secret>,
    /// Whether a path is the authorization endpoint's.
    pub(super) is_endpoint: Box<dyn Fn(&str) -> bool + Send>,
    /// The handle for path and query, where they carry the flow's request.
    pub(super) emission: Box<Emit>,
}

/// A scene, and how far its page was read.
pub(super) struct View {
    scene: Scene,
    shared: Arc<Mutex<Shared>>,
    /// Whether the fields of the forms with these ids come back to be pinned.
    forms: HashMap<String, bool>,
    base: Option<String>,
}

/// Attributes that hold a script or a style, which no URL stands in as a whole.
fn is_code(name: &str) -> bool {
    name.starts_with("on") || matches!(name, "style" | "srcdoc")
}

impl View {
    pub(super) fn new(scene: Scene, shared: Arc<Mutex<Shared>>) -> Self {
        Self { scene, shared, forms: HashMap::new(), base: None }
    }

    /// Every start tag of the page, in order.
    pub(super) fn see(&mut self, element: &mut Element<'_, '_>) {
        self.conceal_urls(element);
        match element.tag_name().as_str() {
            "form" => self.open_form(element),
            "input" => self.mask(element),
            "base" if self.base.is_none() => {
                let place = self.place();
                let href = value(element, "href").unwrap_or_default();
                let address = href.split(['?', '#']).next().unwrap_or_default();
                self.base = continuation::own_path(address, place).map(Cow::into_owned);
            }
            _ => {}
        }
    }

    fn place(&self) -> Place<'_> {
        let path = self.base.as_deref().unwrap_or(&self.scene.path);
        Place { origin: &self.scene.origin, path }
    }

    /// Puts handles into the attributes that hold an authorize URL. No list of elements: pages keep
    /// URLs for their scripts anywhere.
    fn conceal_urls(&self, element: &mut Element<'_, '_>) {
        let suspects = element.attributes().iter().filter_map(|attribute| {
            let raw = attribute.value();
            // No server hides letters behind character references, but some do `_`.
            let suspect = raw.contains("client") && !is_code(&attribute.name());
            suspect.then(|| (attribute.name(), entity::decode(&raw).into_owned()))
        });
        let suspects: Vec<_> = suspects.filter(|(_, text)| text.contains("client_id")).collect();
        for (name, text) in suspects {
            let (head, url) = match name.as_str() {
                "content" => refresh(&text),
                _ => ("", text.as_str()),
            };
            if let Some(url) = self.concealed(url) {
                set(element, &name, &[head, &url].concat());
            }
        }
    }

    fn concealed(&self, url: &str) -> Option<String> {
        let mut kept = Vec::new();
        let concealed = continuation::rewrite(&as_read(url), self.place(), &mut |path, query| {
            match (self.scene.emission)(path, query) {
                Emission::Foreign => None,
                // A dead link rather than one that shows what was pushed.
                Emission::Unreadable => Some(String::new()),
                Emission::Of(handle, continuation, shown) => {
                    kept.push((handle, continuation));
                    Some(shown)
                }
            }
        });
        self.shared.lock().kept.append(&mut kept);
        concealed
    }

    fn open_form(&mut self, element: &mut Element<'_, '_>) {
        let pinned = self.comes_back(element);
        if let Some(id) = value(element, "id") {
            self.forms.insert(id, pinned);
        }
        self.shared.lock().form = Some(pinned);
        let shared = Arc::clone(&self.shared);
        // A form that is never closed goes on to the next one, as in a browser.
        let _ = element.on_end_tag(Box::new(move |_| {
            shared.lock().form = None;
            Ok(())
        }));
    }

    /// Whether what a form sends comes to where it is pinned: an authorize path, or, in the body, an
    /// address with a handle.
    fn comes_back(&self, form: &Element<'_, '_>) -> bool {
        let in_query =
            value(form, "method").is_none_or(|method| !method.trim().eq_ignore_ascii_case("post"));
        let action = value(form, "action").unwrap_or_default();
        let action = as_read(&action);
        let address = action.split('#').next().unwrap_or_default();
        let (address, query) = address.split_once('?').unwrap_or((address, ""));
        // The page's own address has no base.
        let own = address.is_empty() && self.base.is_none() || action.is_empty();
        let path = if own {
            Some(Cow::Borrowed(self.scene.path.as_str()))
        } else {
            continuation::own_path(address, self.place())
        };
        let Some(path) = path else { return false };
        if (self.scene.is_endpoint)(&path) {
            return true;
        }
        // The address of such a page on another path is one with a handle.
        !in_query && (own && query.is_empty() && !action.contains('?') || has_handle(query))
    }

    /// Puts the token into a hidden field that holds a pushed pair.
    fn mask(&self, input: &mut Element<'_, '_>) {
        let kind = value(input, "type").unwrap_or_default();
        if !kind.trim().eq_ignore_ascii_case("hidden") || !self.is_pinned(input) {
            return;
        }
        let (Some(name), Some(given)) = (value(input, "name"), value(input, "value")) else {
            return;
        };
        let token = self.scene.secrets.iter().find_map(|secret| secret.stands_for(&name, &given));
        if let Some(token) = token {
            set(input, "value", token);
        }
    }

    /// Whether a field comes back to be pinned. One outside any form, or of a form further down,
    /// is taken for such a field: nothing else on the page of an authorization request has use for
    /// a parameter of it, and a server that gets a token where it wanted a value says so, while a
    /// value that shows is noticed by nobody.
    fn is_pinned(&self, input: &Element<'_, '_>) -> bool {
        match value(input, "form") {
            Some(form) => self.forms.get(&form).copied().unwrap_or(true),
            None => self.shared.lock().form.unwrap_or(true),
        }
    }
}

/// An attribute as the browser has it.
fn value(element: &Element<'_, '_>, name: &str) -> Option<String> {
    element.get_attribute(name).map(|raw| entity::decode(&raw).into_owned())
}

/// Sets an attribute, and takes away repetitions of it, which browsers ignore and people can read.
fn set(element: &mut Element<'_, '_>, name: &str, text: &str) {
    if element.attributes().iter().filter(|attribute| attribute.name() == name).count() > 1 {
        element.remove_attribute(name);
    }
    if element.set_attribute(name, &entity::encode(text)).is_err() {
        element.remove_attribute(name);
    }
}

/// A URL without what browsers take out of it (URL Standard, "URL parsing").
fn as_read(url: &str) -> Cow<'_, str> {
    let url = url.trim_matches(|c: char| c <= ' ');
    if url.contains(['\t', '\n', '\r']) {
        Cow::Owned(url.replace(['\t', '\n', '\r'], ""))
    } else {
        Cow::Borrowed(url)
    }
}

/// The URL in the `content` of `<meta http-equiv="refresh">`, and what stands before it.
fn refresh(content: &str) -> (&str, &str) {
    let Some(begin) = content.to_ascii_lowercase().find("url=").map(|at| at + 4) else {
        return ("", content);
    };
    let before = content.get(..begin).unwrap_or_default();
    // `&url=` is a parameter of an address that stands there as a whole.
    if before.contains(['?', '/']) {
        return ("", content);
    }
    let url = content.get(begin..).unwrap_or_default().trim();
    (before, url.trim_matches(['"', '\'']))
}

fn has_handle(query: &str) -> bool {
    Parameters::parse(query.as_bytes()).is_ok_and(|query| {
        let named = query.value("request_uri").map(RequestUri::parse);
        matches!(named, Some(RequestUri::Ours(_)))
    })
}
