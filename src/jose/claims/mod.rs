//! Registered claims (RFC 7519 §4.1), each read totally: a claim of the wrong type is an error and
//! never as good as absent. Times are those of the wall clock,
//! in whole milliseconds.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::WallTime;

type Claims = Map<String, Value>;

/// Longest `jti`, in bytes.
pub const LONGEST_TOKEN_ID: usize = 256;

/// Most values in an `aud` array.
pub const MOST_AUDIENCES: usize = 16;

/// The last second of the year 9999: later times are mistakes.
const LAST_SECOND: u64 = 253_402_300_799;

/// `aud`: one value or several (RFC 7519 §4.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience<'a> {
    /// A string.
    One(&'a str),
    /// An array of strings; FAPI 2.0 wants none in a client assertion (§5.3.2.1).
    Several(Vec<&'a str>),
}

/// `exp`, `nbf` and `iat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// `exp`.
    pub expires: Option<WallTime>,
    /// `nbf`.
    pub not_before: Option<WallTime>,
    /// `iat`.
    pub issued: Option<WallTime>,
}

/// What [`Times::check`] asks for. The default asks for `exp` alone, without leeway or bounds.
#[derive(Debug, Clone, Copy)]
pub struct TimeRules {
    /// Whether `exp` must be there.
    pub exp_required: bool,
    /// Whether `nbf` must be there.
    pub nbf_required: bool,
    /// Whether `iat` must be there.
    pub iat_required: bool,
    /// How far `nbf` and `iat` may lie in the future: clocks differ.
    pub early: Duration,
    /// How long after `exp` a token is still good.
    pub late: Duration,
    /// How far `exp` may lie in the future.
    pub longest_ahead: Option<Duration>,
    /// How far `exp` may lie after `nbf`.
    pub longest_life: Option<Duration>,
    /// How long ago `nbf` may be.
    pub oldest_nbf: Option<Duration>,
    /// How long ago `iat` may be.
    pub oldest_iat: Option<Duration>,
}

/// What is wrong with a claim, by its name and never by its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// It must be there.
    #[error("the claim {0} is missing")]
    Missing(&'static str),
    /// Another JSON type than it must have.
    #[error("the claim {0} is not of the type it must be")]
    Type(&'static str),
    /// An empty text or array.
    #[error("the claim {0} is empty")]
    Empty(&'static str),
    /// A text too long, too many values, or a time before 1970 or after 9999.
    #[error("the claim {0} is out of range")]
    Range(&'static str),
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `exp` is too far away, from now or from `nbf`.
    #[error("the token is valid for too long")]
    LivesTooLong,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` has not come.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// `nbf` or `iat` is too long ago: the named one.
    #[error("the claim {0} is too long ago")]
    TooOld(&'static str),
}

impl Audience<'_> {
    /// Whether `value` is among them, letter by letter.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        match self {
            Self::One(one) => *one == value,
            Self::Several(several) => several.contains(&value),
        }
    }
}

/// A claim that is text, if it is there. It may be empty.
pub fn text<'a>(claims: &'a Claims, name: &'static str) -> Result<Option<&'a str>, ClaimError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ClaimError::Type(name)),
    }
}

/// A claim that must be there and be text that is not empty, such as `iss` and `sub`.
pub fn required_text<'a>(claims: &'a Claims, name: &'static str) -> Result<&'a str, ClaimError> {
    match text(claims, name)? {
        None => Err(ClaimError::Missing(name)),
        Some("") => Err(ClaimError::Empty(name)),
        Some(text) => Ok(text),
    }
}

/// `aud`, which must be there.
pub fn audience(claims: &Claims) -> Result<Audience<'_>, ClaimError> {
    match claims.get("aud") {
        None => Err(ClaimError::Missing("aud")),
        Some(Value::String(one)) if one.is_empty() => Err(ClaimError::Empty("aud")),
        Some(Value::String(one)) => Ok(Audience::One(one)),
        Some(Value::Array(values)) if values.is_empty() => Err(ClaimError::Empty("aud")),
        Some(Value::Array(values)) if values.len() > MOST_AUDIENCES => {
            Err(ClaimError::Range("aud"))
        }
        Some(Value::Array(values)) => {
            let texts: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
            texts.map(Audience::Several).ok_or(ClaimError::Type("aud"))
        }
        Some(_) => Err(ClaimError::Type("aud")),
    }
}

/// `jti`, if it is there: not empty and of bounded length, as it will be remembered.
pub fn token_id(claims: &Claims) -> Result<Option<&str>, ClaimError> {
    match text(claims, "jti")? {
        Some("") => Err(ClaimError::Empty("jti")),
        Some(id) if id.len() > LONGEST_TOKEN_ID => Err(ClaimError::Range("jti")),
        id => Ok(id),
    }
}

/// A `NumericDate`, if it is there: seconds since 1970-01-01 UTC, whole or not (RFC 7519 §2).
pub fn numeric_date(claims: &Claims, name: &'static str) -> Result<Option<WallTime>, ClaimError> {
    let number = match claims.get(name) {
        None => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(ClaimError::Type(name)),
    };
    let date = match (number.as_u64(), number.as_f64()) {
        (Some(seconds), _) => Duration::from_secs(seconds),
        (None, Some(seconds)) => {
            Duration::try_from_secs_f64(seconds).map_err(|_| ClaimError::Range(name))?
        }
        (None, None) => return Err(ClaimError::Range(name)),
    };
    if date.as_secs() > LAST_SECOND {
        Err(ClaimError::Range(name))
    } else {
        Ok(Some(WallTime::since_epoch(date)))
    }
}

impl Times {
    /// Reads the three.
    pub fn read(claims: &Claims) -> Result<Self, ClaimError> {
        Ok(Self {
            expires: numeric_date(claims, "exp")?,
            not_before: numeric_date(claims, "nbf")?,
            issued: numeric_date(claims, "iat")?,
        })
    }

    /// Judges them by what the wall clock says `now`.
    pub fn check(&self, rules: &TimeRules, now: WallTime) -> Result<(), ClaimError> {
        self.check_presence(rules)?;
        self.check_expiry(rules, now)?;
        self.check_start(rules, now)
    }

    fn check_presence(&self, rules: &TimeRules) -> Result<(), ClaimError> {
        let wanted = [
            (rules.exp_required, self.expires, "exp"),
            (rules.nbf_required, self.not_before, "nbf"),
            (rules.iat_required, self.issued, "iat"),
        ];
        let missing = wanted.into_iter().find(|(required, time, _)| *required && time.is_none());
        missing.map_or(Ok(()), |(_, _, name)| Err(ClaimError::Missing(name)))
    }

    fn check_expiry(&self, rules: &TimeRules, now: WallTime) -> Result<(), ClaimError> {
        let Some(expires) = self.expires else {
            return Ok(());
        };
        if expires + rules.late <= now {
            return Err(ClaimError::Expired);
        }
        let is_beyond = |start: Option<WallTime>, longest: Option<Duration>| {
            start.zip(longest).is_some_and(|(start, longest)| expires > start + longest)
        };
        if is_beyond(Some(now), rules.longest_ahead)
            || is_beyond(self.not_before, rules.longest_life)
        {
            return Err(ClaimError::LivesTooLong);
        }
        Ok(())
    }

    fn check_start(&self, rules: &TimeRules, now: WallTime) -> Result<(), ClaimError> {
        let latest = now + rules.early;
        if self.not_before.is_some_and(|time| time > latest) {
            return Err(ClaimError::NotYetValid);
        }
        if self.issued.is_some_and(|time| time > latest) {
            return Err(ClaimError::IssuedInFuture);
        }
        let ages =
            [(self.not_before, rules.oldest_nbf, "nbf"), (self.issued, rules.oldest_iat, "iat")];
        let old = ages.into_iter().find(|(time, oldest, _)| {
            time.zip(*oldest).is_some_and(|(time, oldest)| time + oldest < now)
        });
        old.map_or(Ok(()), |(_, _, name)| Err(ClaimError::TooOld(name)))
    }
}

impl Default for TimeRules {
    fn default() -> Self {
        Self {
            exp_required: true,
            nbf_required: false,
            iat_required: false,
            early: Duration::ZERO,
            late: Duration::ZERO,
            longest_ahead: None,
            longest_life: None,
            oldest_nbf: None,
            oldest_iat: None,
        }
    }
}

#[cfg(test)]
mod tests;
