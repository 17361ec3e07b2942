//! Client identifiers that a server's database takes for others: collations ignore case, accents,
//! width and trailing blanks, and a numeric column reads `1abc` as 1.

use std::collections::HashSet;

use crate::oauth::folding::fold_identifier;

/// A set of client identifiers, asked for what resembles them.
#[derive(Debug, Default)]
pub(super) struct Resemblance {
    folded: HashSet<String>,
    numbers: HashSet<String>,
}

impl<'a> FromIterator<&'a str> for Resemblance {
    fn from_iter<I: IntoIterator<Item = &'a str>>(client_ids: I) -> Self {
        let mut all = Self::default();
        for client_id in client_ids {
            all.folded.insert(fold_identifier(client_id));
            let is_number = client_id.bytes().all(|byte| byte.is_ascii_digit());
            all.numbers.extend(leading_number(client_id).filter(|_| is_number).map(str::to_owned));
        }
        all
    }
}

impl Resemblance {
    /// Whether some database takes `client_id` for one of the set.
    pub(super) fn resemble(&self, client_id: &str) -> bool {
        let up_to_nul = client_id.split('\0').next().unwrap_or_default();
        let mut read = [client_id, up_to_nul].into_iter();
        read.any(|text| self.folded.contains(&fold_identifier(text)))
            || leading_number(client_id).is_some_and(|number| self.numbers.contains(number))
    }
}

/// The digits that a cast to a number reads at the front, without zeros before them.
fn leading_number(text: &str) -> Option<&str> {
    let text = text.trim_start().trim_start_matches('+');
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let digits = text.get(..end).filter(|digits| !digits.is_empty())?;
    let trimmed = digits.trim_start_matches('0');
    Some(if trimmed.is_empty() { "0" } else { trimmed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b263_names_that_a_database_folds_resemble_the_client() {
        let pushing: Resemblance = ["must-push", "müller", "1", "0042"].into_iter().collect();
        for client_id in [
            "must-push",
            "MUST-PUSH",
            "must-push ",
            " must-push",
            "müst-push",
            "must-push\0x",
            "ｍust-push",
            "must-pu\u{200b}sh",
            "muſt-push",
            "must-push\t",
            "muller",
            "MÜLLER",
            "mu\u{308}ller",
            "1",
            "1abc",
            "01",
            "+1",
            " 1",
            "1.0",
            "1e0",
            "42",
            "42x",
        ] {
            assert!(pushing.resemble(client_id), "{client_id:?}");
        }
        for client_id in ["must_push", "mustpush", "must-push2", "12", "x1", "2", "", "abc", "421"]
        {
            assert!(!pushing.resemble(client_id), "{client_id:?}");
        }
    }
}
