//! Decision table for a call at an authorize path that names no reference of ours: by the browser's
//! ticket, by the rule, and by what the call carries. Nothing is guessed between two logins.

/// Rule for requests that were not pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// They pass, but for clients that must push by their own tables.
    Optional,
    /// `[par] required`: they are refused.
    Required,
}

/// Ticket of the browser that calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The browser has no ticket.
    Nothing,
    /// The browser has the ticket of a live login, or of several.
    Ticket,
}

/// Content of a call, in its query and its body together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// Values that name a live login of this browser: its client with its `state` (else `nonce`,
    /// `code_challenge`, `redirect_uri`), or tokens of its masked page.
    Login,
    /// A client, a redirect URI, a response type or a request object, but no live login.
    Request,
    /// None of these names.
    Nothing,
    /// A body that is not read, and nothing in the query that names a login.
    Unread,
}

/// Course of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It goes on as a call of the login that it names, pinned.
    Pinned,
    /// A `POST` goes on as a step of the one login that it contradicts nothing of, as it came where that
    /// holds of several; where it contradicts the only login, that one's values stand. Else it is refused.
    Step,
    /// It goes on byte for byte.
    Untouched,
    /// The browser gets an error page.
    Refused,
}

/// The course of a call.
#[must_use]
pub const fn course(held: Held, rule: Rule, carries: Carries) -> Course {
    match (held, rule, carries) {
        (Held::Ticket, _, Carries::Login) => Course::Pinned,
        (_, Rule::Optional, _) => Course::Untouched,
        (Held::Ticket, Rule::Required, Carries::Nothing) => Course::Step,
        (Held::Nothing, Rule::Required, _)
        | (Held::Ticket, Rule::Required, Carries::Request | Carries::Unread) => Course::Refused,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The table as `docs/how-it-works.md` shows it.
    fn table() -> String {
        let carries = [
            (Carries::Login, "a live login of this browser"),
            (Carries::Request, "a client or a request, no live login"),
            (Carries::Nothing, "nothing of these"),
            (Carries::Unread, "a body that is not read"),
        ];
        let mut table =
            "| the call names | no ticket, PAR optional | ticket, optional | no ticket, PAR \
                         required | ticket, required |\n| --- | --- | --- | --- | --- |\n"
                .to_owned();
        for (carries, words) in carries {
            let _ = write!(table, "| {words} |");
            for rule in [Rule::Optional, Rule::Required] {
                for held in [Held::Nothing, Held::Ticket] {
                    let course = match course(held, rule, carries) {
                        Course::Pinned => "pinned",
                        Course::Step => "a step of the login",
                        Course::Untouched => "untouched",
                        Course::Refused => "refused",
                    };
                    let _ = write!(table, " {course} |");
                }
            }
            table.push('\n');
        }
        table
    }

    #[test]
    fn b248_b249_the_table_is_the_documented_one() {
        let document = std::fs::read_to_string("docs/how-it-works.md").unwrap();
        assert!(document.contains(&table()), "docs/how-it-works.md lacks\n{}", table());
    }

    #[test]
    fn b248_where_par_is_optional_nothing_is_guessed() {
        for carries in [Carries::Request, Carries::Nothing, Carries::Unread] {
            for held in [Held::Nothing, Held::Ticket] {
                assert_eq!(course(held, Rule::Optional, carries), Course::Untouched);
            }
        }
    }
}
