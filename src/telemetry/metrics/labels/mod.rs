//! The closed label sets of the metrics. A label is never an address, a `request_uri` or free text.

use crate::oauth::error::ErrorCode;

/// One label value out of a closed set.
pub(super) trait Label: Copy {
    /// How many values there are.
    const COUNT: usize;

    /// The position in the set, below [`COUNT`](Self::COUNT).
    fn index(self) -> usize;

    /// The value as it is written.
    fn text(self) -> &'static str;
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            /// The value as it is written in metrics and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }

        impl Label for $name {
            const COUNT: usize = Self::ALL.len();

            fn index(self) -> usize {
                self as usize
            }

            fn text(self) -> &'static str {
                self.as_str()
            }
        }
    };
}

mod client;
mod flow;
mod system;

pub use client::{AuthMethod, AuthVerdict, LimitKind, PushForm, PushResult, RateScope};
pub use flow::{
    CompletionOutcome, GuardPlace, MaskResult, PlainDecision, RedeemResult, ResealResult,
};
pub use system::{
    FetchResult, Method, RouteLabel, StatusClass, StoreCause, StoreOperation, UpstreamErrorKind,
};

/// The `error` label of a push: a wire error, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Error(pub(super) Option<ErrorCode>);

impl Label for Error {
    /// Room for codes that are still to come; what lies beyond is only slower.
    const COUNT: usize = 32;

    fn index(self) -> usize {
        self.0.map_or(0, |code| code as usize + 1)
    }

    fn text(self) -> &'static str {
        self.0.map_or("none", ErrorCode::label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_documented() {
        let document = include_str!("../../../../docs/metrics.md");
        macro_rules! documented {
            ($($set:ident),+) => {
                $({
                    let values = $set::ALL.iter().map(|value| format!("`{}`", value.as_str()));
                    let row = format!("| {} |", values.collect::<Vec<_>>().join(", "));
                    assert!(document.contains(&row), "{row}");
                })+
            };
        }
        documented!(
            PushResult,
            PushForm,
            LimitKind,
            ResealResult,
            StatusClass,
            AuthMethod,
            AuthVerdict,
            RedeemResult,
            CompletionOutcome,
            PlainDecision,
            RateScope,
            StoreOperation,
            StoreCause,
            GuardPlace,
            MaskResult,
            RouteLabel,
            Method,
            UpstreamErrorKind,
            FetchResult
        );
    }

    #[test]
    fn methods_are_a_closed_set() {
        assert_eq!(Method::from(&http::Method::PATCH).as_str(), "PATCH");
        let odd = http::Method::from_bytes(b"BREW").unwrap();
        assert_eq!(Method::from(&odd), Method::Other);
    }

    #[test]
    fn no_error_and_every_error_have_a_place_of_their_own() {
        assert_eq!((Error(None).index(), Error(None).text()), (0, "none"));
        let last = Error(Some(ErrorCode::GatewayTimeout));
        assert!(last.index() > 0 && last.index() < Error::COUNT);
        assert_eq!(last.text(), "gateway_timeout");
    }
}
