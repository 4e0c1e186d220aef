//! The microcode assembler.
//!
//! A line is one slot: `product | sum | sequence`, each part optional, recognised by what it says. `.m` and `.a` give names to the
//! registers of a bank, `.table.*` to the entries of the key's table, `.rom` to the columns of the base point's, `.comb` to those of the
//! key's comb, `.start` to the point that it starts from, `.pool` to the words
//! of a job that has ended, `.members` to the registers of a batch, `.m.alias` a second name to a register; `.repeat n` to `.end` repeats lines with `%` and `%+` as the count and the next one.
//! Limits: 512 instructions, 32 registers a bank, labels are seen everywhere.

mod operand;
mod program;
mod statement;

pub use program::Program;

use operand::Names;
use std::collections::HashMap;
use thiserror::Error;

/// Why a line does not assemble.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssembleError {
    /// A line says something that the hardware cannot do or that is not understood.
    #[error("line {line}: {what}")]
    Line {
        /// Counts from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// Instructions that fit into the program memory.
pub const PROGRAM_MAX: usize = 512;

/// A line of source with its number, after `.repeat`.
struct Line {
    number: usize,
    text: String,
}

/// Assembles a source text.
///
/// # Errors
/// The first line that does not assemble.
pub fn assemble(source: &str) -> Result<Program, AssembleError> {
    let lines = expand(source)?;
    let mut names = Names::default();
    let mut labels = HashMap::new();
    let mut slots = Vec::new();
    for line in &lines {
        let fail = |what: String| AssembleError::Line { line: line.number, what };
        if let Some(directive) = line.text.strip_prefix('.') {
            names.declare(directive).map_err(fail)?;
        } else if let Some(label) = line.text.strip_suffix(':') {
            if labels.insert(label.to_owned(), slots.len()).is_some() {
                return Err(fail(format!("{label} is already a label")));
            }
        } else {
            slots.push(line);
        }
    }
    if slots.len() > PROGRAM_MAX {
        return Err(AssembleError::Line {
            line: 0,
            what: format!("{} instructions are over {PROGRAM_MAX}", slots.len()),
        });
    }
    let mut program = Program::default();
    for (at, line) in slots.into_iter().enumerate() {
        let instruction = statement::slot(&line.text, &names, &labels, at);
        let instruction = instruction.map_err(|what| AssembleError::Line { line: line.number, what })?;
        program.push(instruction, &line.text);
    }
    Ok(program)
}

/// Drops comments and blank lines and writes out the repetitions.
fn expand(source: &str) -> Result<Vec<Line>, AssembleError> {
    let mut lines = Vec::new();
    let mut repeated: Option<(usize, Vec<Line>)> = None;
    for (at, text) in source.lines().enumerate() {
        let number = at + 1;
        let text = text.split("//").next().unwrap_or("").trim().to_owned();
        let fail = |what: &str| AssembleError::Line { line: number, what: what.to_owned() };
        if text.is_empty() {
            continue;
        }
        if let Some(count) = text.strip_prefix(".repeat ") {
            let count = count.trim().parse().map_err(|_| fail("a repetition needs a count"))?;
            repeated = Some((count, Vec::new()));
        } else if text == ".end" {
            let (count, body) = repeated.take().ok_or_else(|| fail("nothing is repeated here"))?;
            for round in 0..count {
                lines.extend(body.iter().map(|line| line.round(round)));
            }
        } else {
            let line = Line { number, text };
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

impl Line {
    fn round(&self, round: usize) -> Self {
        let next = (round + 1).to_string();
        Self { number: self.number, text: self.text.replace("%+", &next).replace('%', &round.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(source: &str) -> String {
        assemble(source).err().map_or_else(|| "none".to_owned(), |error| error.to_string())
    }

    #[test]
    fn a_slot_with_product_sum_and_jump_becomes_one_word() {
        let program =
            assemble(".m X Y\n.a S\nagain:\n X = S * Y | S = X - Y | jump again\n").expect("it is well formed");
        assert_eq!(program.words().len(), 1);
    }

    #[test]
    fn a_sum_takes_its_operands_in_the_order_that_the_ports_allow() {
        let program = assemble(".m X\n.a S\n | S = X - S\n | S = S - X\n").expect("it is well formed");
        assert_ne!(program.words()[0], program.words()[1]);
    }

    #[test]
    fn what_the_hardware_cannot_do_is_refused_with_its_line() {
        assert_eq!(complaint(".a S R\n | S = S + R\n"), "line 2: one operand of a sum comes from bank M, or is 0");
        assert_eq!(complaint(".a S\n S = S * S\n"), "line 2: S is not in bank M, where products go");
        assert_eq!(complaint(".m X\n X = X * Q\n"), "line 2: Q has no meaning here");
        assert_eq!(complaint(".m X\n X = X * X | jump nowhere\n"), "line 2: nowhere is no label");
        assert_eq!(complaint("a:\na:\n"), "line 2: a is already a label");
        assert_eq!(complaint(".m A B C D E F G H I J K L M N O P Q\n"), "line 1: bank M has no register left for Q");
        assert_eq!(complaint(".repeat 2\nx:\n"), "line 2: no .end");
    }

    #[test]
    fn a_repetition_counts() {
        let program = assemble(".m X\n.repeat 3\nl%:\n X = X * X | jump l%\n.end\n").expect("it is well formed");
        assert_eq!(program.words().len(), 3);
    }
}
