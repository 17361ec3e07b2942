//! As much of Markdown as the tests of the documents need.

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The word behind the fence.
    pub language: String,
    /// What stands in it.
    pub text: String,
}

/// A document, split into prose and fenced blocks.
#[derive(Debug)]
pub struct Document {
    prose: String,
    blocks: Vec<Block>,
}

impl Document {
    /// Reads it.
    pub fn new(text: &str) -> Self {
        let (mut prose, mut blocks) = (String::new(), Vec::new());
        let mut open: Option<Block> = None;
        for line in text.lines() {
            match (line.trim_start().strip_prefix("```"), open.take()) {
                (Some(_), Some(block)) => blocks.push(block),
                (Some(language), None) => {
                    open = Some(Block { language: language.to_owned(), text: String::new() });
                }
                (None, Some(mut block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                    open = Some(block);
                }
                (None, None) => {
                    prose.push_str(line);
                    prose.push('\n');
                }
            }
        }
        Self { prose, blocks }
    }

    /// The fenced blocks.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The targets of all links.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        self.prose.split("](").skip(1).filter_map(|rest| rest.split(')').next())
    }

    /// Lines of shell blocks, and code within prose, that begin with `program`.
    pub fn commands(&self, program: &str) -> Vec<&str> {
        let within = self.prose.split('`').skip(1).step_by(2);
        let shell = self.blocks.iter().filter(|block| block.language == "sh");
        let lines = shell.flat_map(|block| block.text.lines().map(str::trim));
        within.chain(lines).filter(|line| line.starts_with(program)).collect()
    }

    /// What a link can lead to: the names of its headings, as GitHub forms them, and what it names
    /// itself.
    pub fn anchors(&self) -> Vec<String> {
        let own = self.prose.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let headings = self.prose.lines().filter(|line| line.starts_with('#'));
        let mut anchors: Vec<String> = Vec::new();
        for heading in headings {
            let name = slug(heading.trim_start_matches('#').trim());
            let earlier = anchors.iter().filter(|known| {
                let tail =
                    known.strip_prefix(name.as_str()).and_then(|tail| tail.strip_prefix('-'));
                **known == name || tail.is_some_and(|tail| tail.parse::<u8>().is_ok())
            });
            match earlier.count() {
                0 => anchors.push(name),
                count => anchors.push(format!("{name}-{count}")),
            }
        }
        anchors.extend(own.map(str::to_owned));
        anchors
    }
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}
