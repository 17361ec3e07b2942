//! Parameter names as real servers read them: folds of servers and frameworks, after their sources and
//! manuals.

/// A server's reading of a decoded name.
pub type Fold = fn(&str) -> String;

/// The folds, by the servers and frameworks whose they are.
pub const FOLDS: [(&str, Fold); 12] = [
    ("Django, Python's strip", python_strip),
    ("commons-fileupload, Java's trim", java_trim),
    ("Tomcat", tomcat),
    ("Rack 2", rack2),
    ("Rack 3", rack3),
    ("PHP", php),
    ("npm qs", qs),
    ("CGI.pm", |name| name.split([';', '&']).next().unwrap_or_default().to_owned()),
    ("ASP.NET", |name| name.trim().to_lowercase()),
    ("Werkzeug", |name| {
        let line = name.split(['\r', '\n', '"']).next().unwrap_or_default();
        line.trim().to_owned()
    }),
    ("Go's strings.EqualFold", |name| {
        name.replace('\u{17f}', "s").replace('\u{212a}', "k").to_lowercase()
    }),
    ("a program in C", |name| name.split('\0').next().unwrap_or_default().to_owned()),
];

/// `str.strip`
pub fn python_strip(name: &str) -> String {
    let stripped = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    name.trim_matches(stripped).to_owned()
}

/// `String.trim`
fn java_trim(name: &str) -> String {
    name.trim_matches(|c| c <= ' ').to_owned()
}

/// A name without its path parameter, and decoded where a filter decodes again.
fn tomcat(name: &str) -> String {
    let once = percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned();
    once.split(';').next().unwrap_or_default().to_owned()
}

/// `Rack::QueryParser`
pub fn rack2(name: &str) -> String {
    let rest = name.trim_start_matches(['[', ']']);
    rest.split(['[', ']']).next().unwrap_or_default().to_owned()
}

fn rack3(name: &str) -> String {
    let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
    let end = rest.find('[').unwrap_or(rest.len());
    format!("{first}{}", &rest[..end]).replace(']', "")
}

/// `php_register_variable_ex`
pub fn php(name: &str) -> String {
    let name = name.trim_start_matches(' ').split('\0').next().unwrap_or_default();
    let stem = match name.find('[') {
        Some(open) if open > 0 && name[open..].contains(']') => &name[..open],
        _ => name,
    };
    stem.replace(['.', ' ', '['], "_")
}

fn qs(name: &str) -> String {
    match name.find('[') {
        Some(0) => name[1..].split(']').next().unwrap_or_default().to_owned(),
        Some(open) => name[..open].to_owned(),
        None => name.to_owned(),
    }
}

/// Servers that take `spelling` for `name` though it is not.
pub fn readers(spelling: &str, name: &str) -> Vec<&'static str> {
    let reads = |(_, fold): &&(&str, Fold)| spelling != name && fold(spelling) == name;
    FOLDS.iter().filter(reads).map(|(server, _)| *server).collect()
}
