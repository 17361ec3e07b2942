//! As much of Rust's grammar as the rules of the house need.

/// `text` with the inside of comments, strings and characters taken out.
pub fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = skipped(rest, &code);
        if skipped > 0 {
            rest = &rest[skipped..];
            code.push(' ');
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

/// Bytes of the comment or literal that `rest` begins with.
fn skipped(rest: &str, before: &str) -> usize {
    let in_word = before.chars().next_back().is_some_and(is_word);
    let until = |start: usize, end: &str| {
        rest[start..].find(end).map_or(rest.len(), |found| start + found + end.len())
    };
    if rest.starts_with("//") {
        // The line's end stays.
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until(2, "*/");
    }
    if rest.starts_with('"') {
        return string(rest);
    }
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !in_word) {
        let hashes = raw.bytes().take_while(|&byte| byte == b'#').count();
        if raw[hashes..].starts_with('"') {
            return until(hashes + 2, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    if rest.starts_with("'\\") {
        return until(3, "'");
    }
    let mut characters = rest.char_indices();
    if rest.starts_with('\'') && characters.nth(2).is_some_and(|(_, third)| third == '\'') {
        return characters.next().map_or(rest.len(), |(place, _)| place);
    }
    0
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (place, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    rest.len()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The first names of all paths from the crate's root: by `crate::`, by the crate's own name, or
/// by as many `super::` as `module` is deep.
pub fn rooms_named(code: &str, module: &[String]) -> Vec<String> {
    let mut rooms = Vec::new();
    for root in ["crate::", "parapet::"] {
        for rest in after(code, root) {
            rooms.extend(first_names(rest));
        }
    }
    for mut rest in after(code, "super::") {
        let mut ups = 1;
        while let Some(further) = rest.strip_prefix("super::") {
            rest = further;
            ups += 1;
        }
        if ups >= module.len() {
            rooms.extend(first_names(rest));
        }
    }
    rooms
}

/// What follows each `path` that is not itself the end of a longer path or word.
fn after<'a>(code: &'a str, path: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(path).filter_map(move |(place, _)| {
        let begins = !code[..place].ends_with(|before| is_word(before) || before == ':');
        begins.then(|| &code[place + path.len()..])
    })
}

/// `a::b` names `a`; `{a, b::{c, d}}` names `a` and `b`.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String { text.chars().take_while(|&c| is_word(c)).collect() };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![name(rest)];
    };
    let (mut depth, mut members) = (0, vec![String::new()]);
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            _ if depth == 0 => members.last_mut().expect("one").push(character),
            _ => {}
        }
    }
    let names = members.iter().map(|member| name(member.trim()));
    names.filter(|name| !name.is_empty() && name != "self").collect()
}

/// Whether `words` stand in `code` as words of their own.
pub fn words_stand_in(code: &str, words: &str) -> bool {
    code.match_indices(words).any(|(place, _)| !code[..place].ends_with(is_word))
}

/// Every function and type that is declared, with its keyword.
pub fn declared(code: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for keyword in ["fn", "struct", "enum", "trait", "type", "union"] {
        for (place, _) in code.match_indices(keyword) {
            let alone = !code[..place].ends_with(is_word);
            if let Some(rest) = code[place + keyword.len()..].strip_prefix(' ').filter(|_| alone) {
                let name: String = rest.trim_start().chars().take_while(|&c| is_word(c)).collect();
                found.push((keyword, name));
            }
        }
    }
    found
}

/// Whether the function `name` stands in the implementation of a trait, which named it.
pub fn is_imposed(code: &str, name: &str) -> bool {
    let before = code.find(&format!("fn {name}")).map_or(code, |place| &code[..place]);
    let block = before.lines().rev().find(|line| line.starts_with(|c: char| c.is_alphabetic()));
    block.is_some_and(|line| line.starts_with("impl") && line.contains(" for "))
}
