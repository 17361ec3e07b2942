//! The environment variables, read in one place.

use std::collections::BTreeMap;

use super::secret::Secret;

/// A snapshot of the environment. Nothing else in the program asks the system for a variable.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Secret>);

impl Environment {
    /// The variables of this process. What is not UTF-8 in a value is replaced by U+FFFD.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                Some((name, value.to_string_lossy().into_owned()))
            })
            .collect()
    }

    /// The value of the variable `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose)
    }

    /// The variables whose names begin with `prefix`, in the order of their names.
    pub fn beginning_with<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .range(prefix.to_owned()..)
            .take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.as_str(), value.expose()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), Secret::new(value.into())))
                .collect(),
        )
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_by_name_and_by_prefix() {
        let environment =
            Environment::from_iter([("A__B", "1"), ("A__C", "2"), ("A_D", "3"), ("B", "4")]);
        assert_eq!(environment.value("A_D"), Some("3"));
        assert_eq!(environment.value("E"), None);
        let found: Vec<_> = environment.beginning_with("A__").collect();
        assert_eq!(found, [("A__B", "1"), ("A__C", "2")]);
    }

    #[test]
    fn debug_shows_names_alone() {
        let environment = Environment::from_iter([("TOKEN", "hunter2")]);
        assert_eq!(format!("{environment:?}"), r#"{"TOKEN"}"#);
    }
}
