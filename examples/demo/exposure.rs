//! Reads a URL as a curious bystander would: which parameters of the authorization request stand
//! in it, nested ones (`next=%2Fauthorize%3Fscope%3D…`) included.

use percent_encoding::percent_decode_str;

/// A stretch of a URL, and what it gives away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// As it stands in the URL, percent-encoding included.
    pub(crate) text: String,
    /// What a bystander learns.
    pub(crate) tells: Tells,
}

/// What a part of a URL tells a bystander.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tells {
    /// Nothing of the request.
    Nothing,
    /// A parameter of the authorization request, by this name.
    Request(String),
    /// `client_id` or `request_uri`: who asks, not what for.
    Reference(String),
    /// A parameter of the answer to the client.
    Answer(String),
}

/// Which way a URL goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the authorization server.
    Request,
    /// Back to the client.
    Answer,
}

/// Cuts a URL into its parts; their texts joined give the URL again.
pub(crate) fn read(url: &str, direction: Direction) -> Vec<Part> {
    let Some((before, query)) = url.split_once('?') else {
        return vec![Part::nothing(url)];
    };
    let mut parts = vec![Part::nothing(before), Part::nothing("?")];
    read_query(query, 0, direction, &mut parts);
    parts
}

/// The names of the request's parameters in `parts`, each once.
pub(crate) fn request_parameters(parts: &[Part]) -> Vec<&str> {
    let mut names = Vec::new();
    for part in parts {
        if let Tells::Request(name) = &part.tells
            && !names.contains(&name.as_str())
        {
            names.push(name.as_str());
        }
    }
    names
}

impl Part {
    fn nothing(text: &str) -> Self {
        Self { text: text.to_owned(), tells: Tells::Nothing }
    }
}

fn read_query(query: &str, depth: usize, direction: Direction, parts: &mut Vec<Part>) {
    let ampersand = encoded('&', depth);
    for (at, pair) in query.split(&ampersand).enumerate() {
        if at > 0 {
            parts.push(Part::nothing(&ampersand));
        }
        let nested = encoded('?', depth + 1);
        let question = pair.find(&nested).filter(|_| depth < MAX_DEPTH);
        if let Some((before, inner)) = question.and_then(|at| pair.split_at_checked(at)) {
            parts.push(Part::nothing(before));
            parts.push(Part::nothing(&nested));
            let inner = inner.strip_prefix(&nested).unwrap_or(inner);
            read_query(inner, depth + 1, direction, parts);
        } else {
            let equals = encoded('=', depth);
            let name = pair.split_once(&equals).map_or(pair, |(name, _)| name);
            parts.push(Part {
                text: pair.to_owned(),
                tells: tells(&decoded(name, depth + 1), direction),
            });
        }
    }
}

fn tells(name: &str, direction: Direction) -> Tells {
    let name = name.to_owned();
    match (name.as_str(), direction) {
        ("" | "next", _) => Tells::Nothing,
        (_, Direction::Answer) => Tells::Answer(name),
        ("client_id" | "request_uri", Direction::Request) => Tells::Reference(name),
        (_, Direction::Request) => Tells::Request(name),
    }
}

/// `?` is `?` in the address itself, `%3F` in a parameter, `%253F` in a parameter's parameter.
fn encoded(separator: char, depth: usize) -> String {
    if depth == 0 {
        return separator.to_string();
    }
    let percent = "25".repeat(depth - 1);
    format!("%{percent}{:02X}", u32::from(separator))
}

fn decoded(text: &str, times: usize) -> String {
    (0..times)
        .fold(text.to_owned(), |text, _| percent_decode_str(&text).decode_utf8_lossy().into_owned())
}

const MAX_DEPTH: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(parts: &[Part]) -> String {
        parts.iter().map(|part| part.text.as_str()).collect()
    }

    #[test]
    fn every_parameter_of_a_plain_request_is_seen() {
        let url = "http://as/authorize?client_id=a&scope=openid&state=s";
        let parts = read(url, Direction::Request);
        assert_eq!(joined(&parts), url);
        assert_eq!(request_parameters(&parts), ["scope", "state"]);
    }

    #[test]
    fn a_reference_tells_nothing_of_the_request() {
        let url = "http://as/authorize?client_id=a&request_uri=urn%3Aietf%3Ax";
        assert!(request_parameters(&read(url, Direction::Request)).is_empty());
    }

    #[test]
    fn nested_parameters_are_seen() {
        let url = "http://as/login?next=/authorize%3Fclient_id%3Da%26redirect_uri%3Dhttp%253A%252F%252Fc%26state%3Ds";
        let parts = read(url, Direction::Request);
        assert_eq!(joined(&parts), url);
        assert_eq!(request_parameters(&parts), ["redirect_uri", "state"]);
    }

    #[test]
    fn a_nested_reference_tells_nothing_either() {
        let url = "http://as/login?next=/authorize%3Fclient_id%3Da%26request_uri%3Durn%253Ax";
        assert!(request_parameters(&read(url, Direction::Request)).is_empty());
    }

    #[test]
    fn the_answer_is_told_from_the_request() {
        let parts = read("http://c/callback?code=c&state=s", Direction::Answer);
        assert!(request_parameters(&parts).is_empty());
    }
}
