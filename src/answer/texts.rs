//! What people read at the authorization endpoint: one table, reason by language.

/// Why a person sees a page of the gateway instead of the one they wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No pushed request under this `request_uri`.
    UnknownRequest,
    /// Redeem-by time or login lifetime is over.
    ExpiredRequest,
    /// The request was completed before (`RFC 9126 §4`, one-time use).
    SpentRequest,
    /// The `request_uri` belongs to another client (`RFC 9126 §2.2`).
    OtherClient,
    /// The login was started in another browser.
    OtherBrowser,
    /// The address is incomplete or damaged.
    Malformed,
    /// Only pushed requests are taken (`RFC 9126 §4`).
    PushRequired,
    /// A `request_uri` that the gateway did not mint.
    ForeignRequestUri,
    /// `request` and `request_uri` together (`RFC 9101 §5`).
    BothRequestForms,
    /// The client is switched off.
    ClientDisabled,
    /// The authorization server does not take requests of this kind.
    NotOffered,
    /// The authorization server cannot be reached or gave no usable answer.
    UpstreamUnavailable,
    /// The authorization server did not answer in time.
    UpstreamTimeout,
    /// Pending requests cannot be read or kept.
    StoreUnavailable,
    /// There is no room for what the next step of a login needs.
    NoRoom,
    /// An address of the authorization server's cannot be read.
    UnreadableAddress,
    /// The browser loads ahead of the person.
    Prefetch,
    /// Another browser completed the same request first.
    LostRace,
    /// A page of the authorization server that would show the request.
    UnmaskablePage,
    /// A page that may hold the answer cannot be read.
    UnreadablePage,
    /// Head, target or body over a limit.
    TooLarge,
    /// Neither `GET` nor an allowed `POST`.
    MethodNotAllowed,
    /// `Host` is missing or not the gateway's.
    BadHost,
    /// A request that is not safe to pass on: ambiguous or disguised.
    Guarded,
    /// Nothing here.
    NotFound,
    /// A rate limit was hit.
    TooManyRequests,
    /// The request did not arrive in time.
    RequestTimeout,
    /// A fault of the gateway itself.
    Internal,
}

impl Reason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 28] = [
        Self::UnknownRequest,
        Self::ExpiredRequest,
        Self::SpentRequest,
        Self::OtherClient,
        Self::OtherBrowser,
        Self::Malformed,
        Self::PushRequired,
        Self::ForeignRequestUri,
        Self::BothRequestForms,
        Self::ClientDisabled,
        Self::NotOffered,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::StoreUnavailable,
        Self::NoRoom,
        Self::UnreadableAddress,
        Self::Prefetch,
        Self::LostRace,
        Self::UnmaskablePage,
        Self::UnreadablePage,
        Self::TooLarge,
        Self::MethodNotAllowed,
        Self::BadHost,
        Self::Guarded,
        Self::NotFound,
        Self::TooManyRequests,
        Self::RequestTimeout,
        Self::Internal,
    ];

    /// The stable label in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownRequest => "unknown_request",
            Self::ExpiredRequest => "expired_request",
            Self::SpentRequest => "spent_request",
            Self::OtherClient => "other_client",
            Self::OtherBrowser => "other_browser",
            Self::Malformed => "malformed",
            Self::PushRequired => "push_required",
            Self::ForeignRequestUri => "foreign_request_uri",
            Self::BothRequestForms => "both_request_forms",
            Self::ClientDisabled => "client_disabled",
            Self::NotOffered => "not_offered",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::StoreUnavailable => "store_unavailable",
            Self::NoRoom => "no_room",
            Self::UnreadableAddress => "unreadable_address",
            Self::Prefetch => "prefetch",
            Self::LostRace => "lost_race",
            Self::UnmaskablePage => "unmaskable_page",
            Self::UnreadablePage => "unreadable_page",
            Self::TooLarge => "too_large",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BadHost => "bad_host",
            Self::Guarded => "guarded",
            Self::NotFound => "not_found",
            Self::TooManyRequests => "too_many_requests",
            Self::RequestTimeout => "request_timeout",
            Self::Internal => "internal",
        }
    }
}

/// A language that pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    English,
}

impl Language {
    /// Every language that has a column in the table.
    pub const ALL: [Self; 1] = [Self::English];

    /// The tag of `RFC 5646`, for `lang` and `Content-Language`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
        }
    }
}

/// The small print of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) request_id: &'static str,
    pub(super) code: &'static str,
}

pub(super) const fn labels(language: Language) -> Labels {
    match language {
        Language::English => Labels { request_id: "Number", code: "Code" },
    }
}

/// What a page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// The headline.
    pub title: &'static str,
    /// What happened. Also the `error_description` of the JSON form, so it keeps to the characters
    /// of `RFC 6749 §5.2`.
    pub text: &'static str,
    /// What the reader can do.
    pub advice: &'static str,
}

/// The words for `reason` in `language`.
#[must_use]
pub const fn texts(language: Language, reason: Reason) -> Text {
    match language {
        Language::English => english(reason),
    }
}

const fn text(title: &'static str, text: &'static str, advice: &'static str) -> Text {
    Text { title, text, advice }
}

const START_AGAIN: &str = "Go back to the application and start again.";
const TRY_LATER: &str = "Wait a moment, then go back to the application and start again. If it keeps happening, tell \
     its support and give the number below.";
const TELL_SUPPORT: &str = "Go back to the application and start again. If it keeps happening, tell its support and give \
     the number below.";
const UNKNOWN_SIGN_IN: &str = "This sign-in is not known here";
const NOT_UNDERSTOOD: &str = "This sign-in cannot be started";
const OUT_OF_REACH: &str = "Sign-in is not available right now";

#[expect(clippy::too_many_lines, reason = "a table: one row per reason")]
const fn english(reason: Reason) -> Text {
    match reason {
        Reason::UnknownRequest => text(
            UNKNOWN_SIGN_IN,
            "The link does not belong to any sign-in that is waiting here. It may be too old.",
            START_AGAIN,
        ),
        Reason::ExpiredRequest => text(
            "This sign-in took too long",
            "For your safety a sign-in has to be finished within a limited time. That time is over.",
            START_AGAIN,
        ),
        Reason::SpentRequest => text(
            "This sign-in is already finished",
            "The link works only once, and it was used before.",
            "Go back to the application. If you are not signed in there, start again.",
        ),
        Reason::OtherClient => text(
            UNKNOWN_SIGN_IN,
            "The link does not belong to the application that it names.",
            TELL_SUPPORT,
        ),
        Reason::OtherBrowser => text(
            "This sign-in belongs to another browser",
            "A sign-in has to be finished in the browser in which it was started, with cookies \
             allowed.",
            "Go back to the application in this browser and start again.",
        ),
        Reason::Malformed => {
            text(NOT_UNDERSTOOD, "The link is incomplete or damaged.", TELL_SUPPORT)
        }
        Reason::PushRequired => text(
            NOT_UNDERSTOOD,
            "Sign-ins have to be announced by the application first (pushed authorization \
             request), and this one was not.",
            TELL_SUPPORT,
        ),
        Reason::ForeignRequestUri => text(
            NOT_UNDERSTOOD,
            "The application refers to a request that was not issued here.",
            TELL_SUPPORT,
        ),
        Reason::BothRequestForms => text(
            NOT_UNDERSTOOD,
            "The application sent its request in two ways at once.",
            TELL_SUPPORT,
        ),
        Reason::ClientDisabled => text(
            NOT_UNDERSTOOD,
            "The application is not allowed to sign people in at present.",
            "Ask the people who run the application.",
        ),
        Reason::NotOffered => text(
            NOT_UNDERSTOOD,
            "The server that signs you in does not take requests of this kind.",
            TELL_SUPPORT,
        ),
        Reason::UpstreamUnavailable => {
            text(OUT_OF_REACH, "The server that signs you in cannot be reached.", TRY_LATER)
        }
        Reason::UpstreamTimeout => {
            text(OUT_OF_REACH, "The server that signs you in did not answer in time.", TRY_LATER)
        }
        Reason::StoreUnavailable => text(
            OUT_OF_REACH,
            "Sign-ins that are under way cannot be looked up at the moment.",
            TRY_LATER,
        ),
        Reason::NoRoom => text(
            OUT_OF_REACH,
            "Too many sign-ins are under way at the moment, so this one cannot go on.",
            TRY_LATER,
        ),
        Reason::UnreadableAddress => text(
            "This sign-in cannot go on",
            "The server that signs you in sent an address that cannot be understood.",
            TELL_SUPPORT,
        ),
        Reason::Prefetch => text(
            "This sign-in has not been started yet",
            "The browser tried to load the page ahead of time.",
            "Open the link again.",
        ),
        Reason::LostRace => text(
            "This sign-in was finished elsewhere",
            "Another window or browser finished the same sign-in first.",
            "Go back to the application. If you are not signed in there, start again.",
        ),
        Reason::UnmaskablePage => text(
            OUT_OF_REACH,
            "The server that signs you in gave a page that cannot be shown safely.",
            TRY_LATER,
        ),
        Reason::UnreadablePage => text(
            "This sign-in cannot be finished",
            "The server that signs you in sent a page that cannot be read here.",
            TELL_SUPPORT,
        ),
        Reason::TooLarge => {
            text(NOT_UNDERSTOOD, "The request is larger than this server takes.", TELL_SUPPORT)
        }
        Reason::MethodNotAllowed => text(
            "This address cannot be used that way",
            "The request used a method that is not allowed here.",
            START_AGAIN,
        ),
        Reason::BadHost => text(
            "Nothing is served under this name",
            "The request does not name a host that is served here.",
            "Check the address.",
        ),
        Reason::Guarded => text(
            "This request was not passed on",
            "The request could be understood in more than one way, so it was stopped here.",
            TELL_SUPPORT,
        ),
        Reason::NotFound => text(
            "There is nothing here",
            "No page exists under this address.",
            "Check the address, or go back to the application.",
        ),
        Reason::TooManyRequests => text(
            "Too many requests",
            "More requests came in than are accepted in this time.",
            TRY_LATER,
        ),
        Reason::RequestTimeout => text(
            "The request took too long",
            "The request did not arrive completely in time.",
            START_AGAIN,
        ),
        Reason::Internal => text(
            "Something went wrong here",
            "A fault in this server stopped the sign-in.",
            TRY_LATER,
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_a_text_in_every_language() {
        for language in Language::ALL {
            for reason in Reason::ALL {
                let words = texts(language, reason);
                for part in [words.title, words.text, words.advice] {
                    assert!(part.len() > 8, "{reason:?} in {language:?}: {part:?}");
                }
                assert!(words.text.ends_with('.') && words.advice.ends_with('.'), "{reason:?}");
                assert!(!words.title.ends_with('.'), "{reason:?}");
            }
        }
    }

    #[test]
    fn all_lists_every_reason_once_with_a_label_of_its_own() {
        for (position, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, position, "{reason:?}");
        }
        assert_eq!(Reason::ALL.len(), Reason::Internal as usize + 1);
        let labels: HashSet<_> = Reason::ALL.into_iter().map(Reason::as_str).collect();
        assert_eq!(labels.len(), Reason::ALL.len());
        assert!(
            labels.iter().all(|label| label.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()))
        );
    }
}
