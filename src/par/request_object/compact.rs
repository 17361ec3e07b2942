//! JSON text without the blanks that mean nothing. Names, order, numbers and escapes stay as they
//! are: a parser and a printer would sort members and round large numbers.

/// `json`, which is sound, without blanks outside of strings.
pub(super) fn compact(json: &str) -> String {
    let mut inside = Inside::Value;
    json.chars()
        .filter(|letter| {
            let is_blank = inside == Inside::Value && matches!(letter, ' ' | '\t' | '\r' | '\n');
            inside = inside.after(*letter);
            !is_blank
        })
        .collect()
}

/// Where a letter stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Value,
    String,
    Escape,
}

impl Inside {
    const fn after(self, letter: char) -> Self {
        match (self, letter) {
            (Self::Value, '"') | (Self::Escape, _) => Self::String,
            (Self::String, '"') => Self::Value,
            (Self::String, '\\') => Self::Escape,
            (same, _) => same,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn blanks_outside_of_strings_go_and_nothing_else() {
        for (json, expected) in [
            ("[ 1 ,\t2\r\n]", "[1,2]"),
            (r#"{ "a b" : " \" c \\" , "d" : 1.0E5 }"#, r#"{"a b":" \" c \\","d":1.0E5}"#),
            (r#""\\ " "#, r#""\\ ""#),
        ] {
            assert_eq!(compact(json), expected);
        }
    }

    proptest! {
        #[test]
        fn the_value_stays_the_same(text in r#"[ \[\]{}:,"a1\\]{0,24}"#) {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(serde_json::from_str::<Value>(&compact(&text)).unwrap(), value);
            }
        }
    }
}
