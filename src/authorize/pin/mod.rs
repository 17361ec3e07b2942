//! The pin: inside a flow, pushed values win over whatever the browser sends back, what was not
//! pushed does not come in, and what was pushed does not go missing.
//!
//! Two kinds of text are pinned. A *query* is a whole authorization request: that which the
//! upstream emitted in answer to our own expansion is its word (what it dropped stays dropped),
//! any other may have been made by the browser. A *form* is a step of the upstream's own page: its
//! buttons, tokens and passwords pass, its authorization parameters are pinned.

use std::borrow::Cow;

use serde_json::Value;

use super::shown::Shown;
use crate::config::Config;
use crate::oauth::names::{self, Name, Vocabulary};
use crate::oauth::parameters::{Encoder, ParameterError, Parameters};

pub mod multipart;
mod part;

/// Whose word a query is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emitter {
    /// The upstream, in answer to our own expansion.
    Upstream,
    /// Perhaps the browser.
    Browser,
}

/// The pushed parameters, and what the preset says of the server.
#[derive(Debug)]
pub struct Pin<'a> {
    pushed: Parameters<'a>,
    rules: &'a Rules,
    /// Pushed names that a page of the server has as fields to fill in.
    fillable: Vec<String>,
}

/// What is known of a server's own ways.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Parameters that its pages add to an authorize URL.
    pub beside: Vec<String>,
    /// Pushed parameters that its forms never carry, so that their absence is no tampering.
    pub never_echoed: Vec<String>,
    /// The authorization parameters of the server.
    pub vocabulary: Vocabulary,
    /// What is set back.
    pub reach: Reach,
}

/// `[authorize] pin`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everything that was pushed.
    Request,
    /// `client_id` alone, so that one client's login never becomes another's; request objects and
    /// respelled names stay out all the same.
    Client,
}

impl Rules {
    /// The rules of `[upstream]` and `[authorize]`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            beside: config.upstream.beside_handle.clone(),
            never_echoed: config.upstream.never_echoed.clone(),
            vocabulary: Vocabulary::with(&config.upstream.parameters),
            reach: if config.authorize.pin { Reach::Request } else { Reach::Client },
        }
    }

    /// Whether the server's pages add a parameter of this name.
    #[must_use]
    pub fn goes_beside(&self, name: &str) -> bool {
        self.beside.iter().any(|known| known == name)
    }

    fn is_echoed(&self, name: &str) -> bool {
        !self.never_echoed.iter().any(|known| known == name)
    }

    /// Whether a query holds a name that some server takes for an authorization parameter.
    #[must_use]
    pub fn is_imitated_in_query(&self, query: &Parameters<'_>) -> bool {
        self.vocabulary.is_imitated_in(query.iter().map(|(name, _)| name))
    }

    /// The same of a form, whose pages may list scopes one by one (`scope[]`).
    #[must_use]
    pub fn is_imitated_in_form(&self, form: &Parameters<'_>) -> bool {
        let names = form.iter().map(|(name, _)| name);
        self.vocabulary.is_imitated_in(names.filter(|name| names::list_of(name).is_none()))
    }
}

/// Restored neither to a query nor to a form: servers take them out when they have done what they
/// ask for, and would do it again for ever.
const DONE_ONCE: &[&str] = &["max_age", "prompt"];

/// Any of these makes a form one that carries the request.
const CARRIERS: &[&str] = &["client_id", "redirect_uri", "response_type"];

/// A name and a value that travel.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

impl<'a> Pin<'a> {
    /// The pin of a request with this stored query.
    ///
    /// # Errors
    /// [`ParameterError`], which a query of our own making never gives.
    pub fn new(query: &'a str, rules: &'a Rules) -> Result<Self, ParameterError> {
        let pushed = Parameters::parse(query.as_bytes())?;
        Ok(Self { pushed, rules, fillable: Vec::new() })
    }

    /// The same for a login in which the server has shown these pages.
    #[must_use]
    pub(super) fn with_pages(self, shown: Shown) -> Self {
        let fillable = shown.fillable(&self.pushed, &self.rules.vocabulary);
        Self { fillable, ..self }
    }

    /// The value of a parameter that was pushed.
    #[must_use]
    pub fn pushed(&self, name: &str) -> Option<&str> {
        self.pushed.value(name)
    }

    /// The query that travels in place of `given`; `None` where nothing had to be set back, so that
    /// it may travel in the upstream's own spelling.
    #[must_use]
    pub fn query(&self, given: &Parameters<'_>, emitter: Emitter) -> Option<String> {
        // A query that carries no request is a page's own, like a form.
        let whole = emitter == Emitter::Upstream || carries_the_request(given);
        let text = if whole { Text::Query(emitter) } else { Text::Form };
        let mut pinned = self.pinned(given, text);
        if whole && emitter == Emitter::Browser {
            self.restore(&mut pinned, &|_| true);
        }
        pinned.changed.then(|| {
            let mut encoder = Encoder::default();
            pinned.pairs.iter().for_each(|(name, value)| encoder.push(name, value));
            encoder.finish()
        })
    }

    /// The fields that travel in place of those of a form; `None` where nothing had to be set back.
    #[must_use]
    pub fn form<'b>(&'b self, given: &'b Parameters<'_>) -> Option<Vec<Pair<'b>>> {
        let mut pinned = self.pinned(given, Text::Form);
        if carries_the_request(given) {
            let listed =
                |name: &str| given.iter().any(|(one, _)| names::list_of(one) == Some(name));
            let echoed = |name: &str| {
                self.rules.vocabulary.contains(name) && self.rules.is_echoed(name) && !listed(name)
            };
            self.restore(&mut pinned, &echoed);
        }
        pinned.changed.then_some(pinned.pairs)
    }

    /// The fields that travel in place of those of a form where the server takes none: what was not
    /// pushed is left out.
    #[must_use]
    pub fn form_as_query<'b>(&'b self, given: &'b Parameters<'_>) -> Vec<Pair<'b>> {
        self.pinned(given, Text::Query(Emitter::Browser)).pairs
    }

    fn pinned<'b>(&'b self, given: &'b Parameters<'_>, text: Text) -> Pinned<'b> {
        let mut pinned = Pinned::default();
        for (name, value) in given.iter() {
            match self.verdict(name, value, text) {
                Verdict::Drop => pinned.changed = true,
                Verdict::AsGiven => pinned.push(name, value),
                Verdict::AsPushed if pinned.has(name) => {
                    let mut values = self.pushed.iter();
                    let known =
                        name == names::REPEATABLE && values.any(|pushed| pushed == (name, value));
                    pinned.changed |= !known;
                }
                Verdict::AsPushed => self.write(&mut pinned, (name, value), text),
            }
        }
        pinned
    }

    fn verdict(&self, name: &str, value: &str, text: Text) -> Verdict {
        if matches!(name, "request" | "request_uri") {
            return Verdict::Drop;
        }
        if let Some(list) = names::list_of(name).filter(|_| text == Text::Form) {
            let is_pushed = is_part(value, self.pushed(list).unwrap_or_default());
            return if is_pushed || value.is_empty() { Verdict::AsGiven } else { Verdict::Drop };
        }
        if matches!(self.rules.vocabulary.read(name), Name::Imitation(_)) {
            return Verdict::Drop;
        }
        if self.rules.reach == Reach::Client && name != "client_id" {
            return Verdict::AsGiven;
        }
        let registered = self.rules.vocabulary.contains(name);
        if self.pushed.value(name).is_some() {
            // A client could push the name of a button.
            let is_fillable = self.fillable.iter().any(|known| known == name);
            let own_field = text == Text::Form && !registered && is_fillable;
            return if own_field { Verdict::AsGiven } else { Verdict::AsPushed };
        }
        let stays = match text {
            Text::Query(Emitter::Upstream) => true,
            Text::Query(Emitter::Browser) => !registered && self.rules.goes_beside(name),
            // A parameter without a value counts as omitted; servers echo such fields.
            Text::Form => !registered || value.is_empty(),
        };
        if stays { Verdict::AsGiven } else { Verdict::Drop }
    }

    /// Writes the pushed value, or the given one where it means the same.
    fn write<'b>(&'b self, pinned: &mut Pinned<'b>, (name, value): (&'b str, &'b str), text: Text) {
        // As in the one field that some pages have for all of them.
        if name == names::REPEATABLE && joined(&self.pushed).is_some_and(|all| all == value) {
            pinned.push(name, value);
            return;
        }
        if name == names::REPEATABLE {
            let all = self.pushed.iter().filter(|(pushed, _)| *pushed == name);
            for (index, (_, pushed)) in all.enumerate() {
                pinned.changed |= index == 0 && pushed != value;
                pinned.push(name, pushed);
            }
            return;
        }
        let pushed = self.pushed(name).unwrap_or_default();
        let taken_away = text == Text::Form && name == "scope" && is_part(value, pushed);
        if taken_away || same_value(name, value, pushed) {
            pinned.push(name, value);
        } else {
            pinned.changed = true;
            pinned.push(name, pushed);
        }
    }

    /// Puts back what is missing, of the names that `wanted` picks.
    fn restore<'b>(&'b self, pinned: &mut Pinned<'b>, wanted: &dyn Fn(&str) -> bool) {
        if self.rules.reach == Reach::Client {
            return;
        }
        let missing: Vec<_> = self
            .pushed
            .iter()
            .filter(|(name, _)| !DONE_ONCE.contains(name) && wanted(name) && !pinned.has(name))
            .collect();
        pinned.changed |= !missing.is_empty();
        for (name, value) in missing {
            pinned.push(name, value);
        }
    }
}

/// Whether a form carries the request, rather than a login or a choice.
#[must_use]
pub fn carries_the_request(form: &Parameters<'_>) -> bool {
    CARRIERS.iter().any(|carrier| form.count(carrier) > 0)
}

/// What is being pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Query(Emitter),
    Form,
}

/// What becomes of one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Drop,
    AsGiven,
    AsPushed,
}

#[derive(Default)]
struct Pinned<'b> {
    pairs: Vec<Pair<'b>>,
    changed: bool,
}

impl<'b> Pinned<'b> {
    fn push(&mut self, name: &'b str, value: &'b str) {
        self.pairs.push((Cow::Borrowed(name), Cow::Borrowed(value)));
    }

    fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == name)
    }
}

/// Whether some of the pushed scope is left: people take scopes away on consent pages.
fn is_part(given: &str, pushed: &str) -> bool {
    let within = |one| pushed.split(' ').any(|known| known == one);
    !given.is_empty() && given.split(' ').all(within)
}

/// The values of the repeatable parameter with blanks between, where there are several.
pub(super) fn joined(pushed: &Parameters<'_>) -> Option<String> {
    let all = pushed.iter().filter(|(name, _)| *name == names::REPEATABLE);
    let all: Vec<_> = all.map(|(_, value)| value).collect();
    (all.len() > 1).then(|| all.join(" "))
}

/// Whether two values are one: JSON is compared as JSON, all else as text.
#[must_use]
pub fn same_value(name: &str, given: &str, pushed: &str) -> bool {
    let json = serde_json::from_str::<Value>;
    given == pushed
        || matches!(name, "claims" | "authorization_details" | "registration")
            && matches!((json(given), json(pushed)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests;
