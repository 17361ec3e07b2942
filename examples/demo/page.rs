//! The look of all pages: one layout, one style for light and dark, no script.

/// Makes text fit for HTML, in elements and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Whose page it is, told by the line at its top.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner {
    /// The demo client.
    Client,
    /// The legacy authorization server.
    Legacy,
}

/// A page. `title` is escaped here; `body` is HTML.
pub(crate) fn layout(owner: Owner, title: &str, body: &str) -> String {
    let title = escape(title);
    let (name, class, line) = match owner {
        Owner::Client => ("Demo client", "client", "an application that signs people in"),
        Owner::Legacy => {
            ("Wonderland ID", "legacy", "the old authorization server, which knows nothing of PAR")
        }
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · {name}</title><style>{STYLE}</style></head>\
         <body class=\"{class}\"><header><strong>{name}</strong> <span>{line}</span></header>\
         <main><h1>{title}</h1>{body}</main></body></html>\n"
    )
}

/// A page that says one thing.
pub(crate) fn message(title: &str, body: &str) -> String {
    layout(Owner::Client, title, body)
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d2430; --soft: #566072; --paper: #f6f7f9; --card: #fff;
  --line: #d9dee6; --accent: #2456c8; --on-accent: #fff; --bad: #a3211b; --bad-paper: #fde5e1;
  --good: #17663a; --good-paper: #dcf4e4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #a3adbd; --paper: #14171c;
  --card: #1d2229; --line: #343c48; --accent: #8fb2ff; --on-accent: #10141b; --bad: #ffb0a6;
  --bad-paper: #47201d; --good: #93e0b1; --good-paper: #163a26; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
header { padding: .7rem 1.2rem; border-bottom: 1px solid var(--line); background: var(--card); }
header span { color: var(--soft); margin-left: .4rem; }
body.legacy header { border-top: 4px solid #b8792f; }
body.client header { border-top: 4px solid var(--accent); }
main { max-width: 50rem; margin: 0 auto; padding: 1.2rem 1.2rem 4rem; }
body.legacy main { max-width: 30rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1.2rem 0 .8rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0 0 .35rem; }
p { margin: .5rem 0; }
a { color: var(--accent); }
.soft { color: var(--soft); }
.small { font-size: .88rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1rem 1.1rem; margin: .8rem 0; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .8rem; }
.two .card { margin: 0; display: flex; flex-direction: column; }
.two .card p:last-child { margin-top: auto; padding-top: .6rem; }
.button, button { display: inline-block; font: inherit; font-weight: 600; padding: .55rem 1.1rem;
  border-radius: .45rem; border: 1px solid var(--accent); background: var(--accent);
  color: var(--on-accent); text-decoration: none; cursor: pointer; }
.button.quiet, button.quiet { background: transparent; color: var(--accent); }
.button:focus-visible, button:focus-visible, input:focus-visible { outline: 3px solid var(--accent);
  outline-offset: 2px; }
label { display: block; font-weight: 600; margin: .8rem 0 .2rem; }
input:not([type=hidden]) { width: 100%; font: inherit; padding: .5rem .6rem; color: inherit;
  background: var(--paper); border: 1px solid var(--line); border-radius: .45rem; }
form .buttons { margin-top: 1.1rem; display: flex; gap: .6rem; }
.hops { list-style: none; padding: 0; margin: 0; }
.tally { font-weight: 600; margin: .5rem 0 0; }
.bad { color: var(--bad); } .good { color: var(--good); }
.url { font: .84rem/1.6 ui-monospace, monospace; overflow-wrap: anywhere; background: var(--paper);
  border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .7rem; margin: .4rem 0; }
mark { background: var(--bad-paper); color: var(--bad); border-radius: .2rem; padding: 0 .1rem; }
mark.reference { background: var(--good-paper); color: var(--good); }
mark.answer { background: transparent; color: inherit; text-decoration: underline dotted; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { font-weight: 600; width: 14rem; }
td { font-family: ui-monospace, monospace; font-size: .88rem; }
.names { font: .84rem/1.5 ui-monospace, monospace; }
.verdict { border-left: 5px solid var(--bad); }
.verdict.partly { border-left-color: #b8792f; }
.verdict.fine { border-left-color: var(--good); }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(
            escape("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;"
        );
    }

    #[test]
    fn titles_are_escaped() {
        assert!(!layout(Owner::Client, "<b>", "").contains("<b>"));
    }
}
