//! Lines of source: without comments, macros and repetitions written out.

use super::AssembleError;
use std::collections::HashMap;

/// A line of source with its number in the text.
#[derive(Clone)]
pub struct Line {
    pub number: usize,
    pub text: String,
}

impl Line {
    fn complaint(&self, what: impl Into<String>) -> AssembleError {
        AssembleError::Line { line: self.number, what: what.into() }
    }

    fn round(&self, round: usize) -> Self {
        let next = (round + 1).to_string();
        Self { number: self.number, text: self.text.replace("%+", &next).replace('%', &round.to_string()) }
    }
}

/// The lines that remain.
pub fn lines(source: &str) -> Result<Vec<Line>, AssembleError> {
    let numbered = source
        .lines()
        .enumerate()
        .map(|(at, text)| Line { number: at + 1, text: text.split("//").next().unwrap_or("").trim().to_owned() });
    repetitions(macros(numbered.filter(|line| !line.text.is_empty()))?)
}

/// Lines between `.macro` and `.endmacro`, and their parameters.
struct Macro {
    defined: Line,
    parameters: Vec<String>,
    body: Vec<Line>,
}

impl Macro {
    /// The body with arguments put in.
    fn used(&self, arguments: &[&str]) -> Vec<Line> {
        let used = self.body.iter().map(|line| {
            let pairs = self.parameters.iter().zip(arguments);
            let text = pairs.fold(line.text.clone(), |text, (name, value)| text.replace(&format!("${name}"), value));
            Line { text, ..line.clone() }
        });
        used.collect()
    }
}

fn macros(source: impl Iterator<Item = Line>) -> Result<Vec<Line>, AssembleError> {
    let mut known: HashMap<String, Macro> = HashMap::new();
    let mut open: Option<(String, Macro)> = None;
    let mut lines = Vec::new();
    for line in source {
        let words: Vec<_> = line.text.split_whitespace().collect();
        match (words.as_slice(), &mut open) {
            ([".endmacro"], _) => known.extend([open.take().ok_or_else(|| line.complaint("no macro ends here"))?]),
            (_, Some((_, inside))) => inside.body.push(line),
            ([".macro", name, parameters @ ..], None) => {
                let parameters = parameters.iter().map(|&parameter| parameter.to_owned()).collect();
                open = Some(((*name).to_owned(), Macro { defined: line.clone(), parameters, body: Vec::new() }));
            }
            ([".use", name, arguments @ ..], None) => {
                let used = known.get(*name).ok_or_else(|| line.complaint(format!("{name} is no macro")))?;
                if used.parameters.len() != arguments.len() {
                    return Err(line.complaint(format!("{name} takes {} arguments", used.parameters.len())));
                }
                lines.extend(used.used(arguments));
            }
            (_, None) => lines.push(line),
        }
    }
    match open {
        Some((_, open)) => Err(open.defined.complaint("no .endmacro")),
        None => Ok(lines),
    }
}

fn repetitions(source: Vec<Line>) -> Result<Vec<Line>, AssembleError> {
    let mut lines = Vec::new();
    let mut repeated: Option<(usize, Vec<Line>)> = None;
    for line in source {
        if let Some(count) = line.text.strip_prefix(".repeat ") {
            let count = count.trim().parse().map_err(|_| line.complaint("a repetition needs a count"))?;
            repeated = Some((count, Vec::new()));
        } else if line.text == ".end" {
            let (count, body) = repeated.take().ok_or_else(|| line.complaint("nothing is repeated here"))?;
            for round in 0..count {
                lines.extend(body.iter().map(|line| line.round(round)));
            }
        } else {
            repeated.as_mut().map_or(&mut lines, |(_, body)| body).push(line);
        }
    }
    match repeated {
        Some((_, body)) => {
            Err(AssembleError::Line { line: body.first().map_or(0, |line| line.number), what: "no .end".to_owned() })
        }
        None => Ok(lines),
    }
}
