//! One part of a multipart form as real servers read it: models of their readers, after their sources.

/// A part's name and value, read from behind its boundary line to the line end before the next.
pub type Reader = fn(&[u8]) -> Option<(String, String)>;

/// The models, by the servers and libraries whose readers they are.
pub const READERS: [(&str, Reader); 8] = [
    ("PHP", php),
    ("Django", django),
    ("cgi of Python", python_cgi),
    ("Werkzeug", werkzeug),
    ("busboy", busboy),
    ("Go", go),
    ("Rack", rack),
    ("commons-fileupload", commons),
];

/// Head and content of `part`, the first of `ends` between them.
fn halves(part: &[u8], ends: &[&[u8]]) -> Option<(String, String)> {
    let place = |end: &[u8]| {
        let at = part.windows(end.len()).position(|window| window == end)?;
        Some((at, at + end.len()))
    };
    let (head, content) = ends.iter().filter_map(|end| place(end)).min()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((text(&part[..head]), text(&part[content..])))
}

/// The value of the last `Content-Disposition` among lines of fields.
fn disposition<'a>(lines: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let fields = lines.filter_map(|line| line.split_once(':'));
    let is_one = |name: &str| name.trim().eq_ignore_ascii_case("content-disposition");
    fields.filter(|(name, _)| is_one(name)).last().map(|(_, value)| value)
}

/// The pieces of a field between `;` that stand in no quotes; a backslash escapes a quote.
fn pieces(value: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut begin, mut quoted, mut escaped) = (0, false, false);
    for (at, letter) in value.char_indices() {
        match letter {
            '"' if !escaped => quoted = !quoted,
            ';' if !quoted => {
                pieces.push(&value[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    pieces.push(&value[begin..]);
    pieces
}

fn unescaped(value: &str) -> String {
    value.replace("\\\\", "\\").replace("\\\"", "\"")
}

fn decoded(value: &str) -> String {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
}

/// `main/rfc1867.c`
fn php(part: &[u8]) -> Option<(String, String)> {
    let (head, content) = halves(part, &[b"\r\n\r\n", b"\n\n", b"\n\r\n"])?;
    let mut lines: Vec<String> = Vec::new();
    for line in head.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        match lines.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => last.push_str(line),
            _ => lines.push(line.to_owned()),
        }
    }
    let value = disposition(lines.iter().map(String::as_str))?.split('\0').next()?;
    let mut name = None;
    for piece in pieces(value) {
        let Some((key, text)) = piece.trim_start().split_once('=') else { continue };
        if !key.eq_ignore_ascii_case("name") {
            continue;
        }
        let text = text.trim_start();
        name = Some(match text.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inner = text[1..].replace(&format!("\\{quote}"), "\u{1}");
                let inner = inner.split(quote).next()?;
                inner.replace('\u{1}', &quote.to_string())
            }
            _ => text.split_whitespace().next().unwrap_or_default().to_owned(),
        });
    }
    Some((super::server_names::php(&name?), content))
}

/// `django/http/multipartparser.py`, which takes blanks off the name.
fn django(part: &[u8]) -> Option<(String, String)> {
    let (head, content) = halves(part, &[b"\r\n\r\n"])?;
    let value = disposition(head.split("\r\n").map(str::trim_start))?;
    let mut name = None;
    for piece in pieces(value) {
        let Some((key, text)) = piece.split_once('=') else { continue };
        let (key, mut text) = (key.trim().to_lowercase(), text.trim());
        if key == "name*" && piece.matches('\'').count() == 2 {
            text = text.rsplit('\'').next()?;
            name = Some(decoded(text));
        } else if key == "name" {
            name = Some(without_quotes(text));
        }
    }
    Some((super::server_names::python_strip(&name?), content))
}

fn without_quotes(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map_or_else(|| text.to_owned(), unescaped)
}

/// `cgi.FieldStorage`: heads end at any empty line.
fn python_cgi(part: &[u8]) -> Option<(String, String)> {
    let (head, content) = halves(part, &[b"\r\n\r\n", b"\n\n", b"\n\r\n"])?;
    let head = head.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    let value = disposition(head.split(['\n', '\r']))?.to_owned();
    let mut named = pieces(&value).into_iter().filter_map(|piece| piece.split_once('='));
    let is_one = |(key, _): &(&str, &str)| key.trim().eq_ignore_ascii_case("name");
    let name = named.rfind(is_one)?.1.trim();
    Some((without_quotes(name), content))
}

/// `werkzeug/sansio/multipart.py`: lines may end with a carriage return alone.
fn werkzeug(part: &[u8]) -> Option<(String, String)> {
    let (head, content) = halves(part, &[b"\r\n\r\n", b"\r\r", b"\n\n"])?;
    let mut head = head.replace("\r\n", "\n").replace('\r', "\n");
    for blank in ["\n ", "\n\t"] {
        head = head.replace(blank, " ");
    }
    let value = disposition(head.split('\n'))?.to_owned();
    let mut name = None;
    let mut continued = String::new();
    for piece in pieces(&value) {
        let Some((key, text)) = piece.split_once('=') else { continue };
        let key = key.trim().to_lowercase();
        let text = text.trim();
        if let Some(index) = key.strip_prefix("name*") {
            let text = without_quotes(text);
            let text = text.rsplit('\'').next().unwrap_or_default();
            let text = if index.is_empty() || index.ends_with('*') {
                decoded(text)
            } else {
                text.to_owned()
            };
            continued.push_str(&text);
        } else if key == "name" {
            name = Some(match text.strip_prefix('"') {
                Some(rest) => unescaped(rest.split('"').next().unwrap_or_default()),
                None => text.split([' ', '"']).next().unwrap_or_default().to_owned(),
            });
        }
    }
    let name = if continued.is_empty() { name? } else { continued };
    Some((name, content))
}

/// `busboy` 1: parameters in order, the first of a name counts.
fn busboy(part: &[u8]) -> Option<(String, String)> {
    let (head, content) = halves(part, &[b"\r\n\r\n"])?;
    let head = head.replace("\r\n ", " ").replace("\r\n\t", "\t");
    let value = head.split("\r\n").find_map(|line| disposition(std::iter::once(line)))?;
    let mut name = None;
    for piece in pieces(value) {
        let Some((key, text)) = piece.split_once('=') else { continue };
        let key = key.trim_matches([' ', '\t']).to_lowercase();
        if key == "name*" {
            name = Some(decoded(text.rsplit('\'').next()?));
        } else if key == "name" && name.is_none() {
            name = Some(without_quotes(text.trim_matches([' ', '\t'])).replace('\\', ""));
        }
    }
    Some((name?, content))
}

/// `mime/multipart` with `net/textproto`: lines end at line feeds, a parameter stands once.
fn go(part: &[u8]) -> Option<(String, String)> {
    let (head, content) = halves(part, &[b"\r\n\r\n", b"\n\n", b"\n\r\n"])?;
    let head = head.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    let value = head.split('\n').find_map(|line| disposition(std::iter::once(line)))?;
    let mut name = None;
    for piece in pieces(value) {
        let Some((key, text)) = piece.split_once('=') else { continue };
        let key = key.trim().to_lowercase();
        let text = match key.as_str() {
            "name" | "name*0" => without_quotes(text.trim()),
            "name*" => decoded(text.rsplit('\'').next()?),
            _ => continue,
        };
        if name.replace(text).is_some() {
            return None;
        }
    }
    Some((name?, content))
}

/// `rack/multipart/parser.rb` of Rack 2: a pattern over the whole head, whose last match counts.
fn rack(part: &[u8]) -> Option<(String, String)> {
    let (head, content) = halves(part, &[b"\r\n\r\n"])?;
    let lower = head.to_ascii_lowercase();
    let begin = lower.find("content-disposition:")? + "content-disposition:".len();
    let rest = &head[begin..];
    let field = rest.to_ascii_lowercase();
    let is_one = |at: &usize| rest[..*at].trim_end().ends_with(';') && !rest[..*at].contains(':');
    let at = field.match_indices("name=").map(|(at, _)| at).filter(is_one).last()?;
    let value = &rest[at + "name=".len()..];
    let name = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => {
            value.split(|c: char| c.is_whitespace() || "()<>,;:\\\"/[]?=".contains(c)).next()?
        }
    };
    Some((super::server_names::rack2(name), content))
}

/// `ParameterParser`, behind which the name is trimmed as Java does.
fn commons(part: &[u8]) -> Option<(String, String)> {
    let (head, content) = halves(part, &[b"\r\n\r\n"])?;
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let value = head.split("\r\n").find_map(|line| disposition(std::iter::once(line)))?;
    let space = |c: char| c <= ' ';
    let named = pieces(value).into_iter().filter_map(|piece| piece.split_once('='));
    let mut named = named.filter(|(key, _)| key.trim_matches(space).eq_ignore_ascii_case("name"));
    let name = without_quotes(named.next_back()?.1.trim_matches(space));
    Some((name.trim_matches(space).to_owned(), content))
}
