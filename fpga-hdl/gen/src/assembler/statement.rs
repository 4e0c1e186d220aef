//! One line: a product, a sum, a sequence.

use super::operand::{Index, Names, Place};
use crate::instruction::{Instruction, Product, Sequence, Sum};
use std::collections::HashMap;

const SEQUENCES: [(&str, Sequence); 19] = [
    ("jump", Sequence::Jump),
    ("jz", Sequence::IfZero),
    ("jnz", Sequence::IfNotZero),
    ("jndigit", Sequence::IfNoDigit),
    ("jbase", Sequence::IfBaseDigit),
    ("jnmore", Sequence::IfNoMore),
    ("loop", Sequence::Loop),
    ("jend", Sequence::IfEnd),
    ("setc", Sequence::SetCount),
    ("djnz", Sequence::CountDown),
    ("call", Sequence::Call),
    ("ret", Sequence::Return),
    ("wait", Sequence::Wait),
    ("join", Sequence::Join),
    ("up", Sequence::BatchUp),
    ("report", Sequence::Report),
    ("jhot", Sequence::IfHot),
    ("jcolumn", Sequence::IfColumn),
    ("done", Sequence::Done),
];

/// How a job can end: the key is a point (2), there is something to compare (1).
const ENDS: [(&str, usize); 3] = [("undecodable", 0), ("unequal", 2), ("point", 3)];

/// Assembles the slot at address `at`.
pub fn slot(text: &str, names: &Names, labels: &HashMap<String, usize>, at: usize) -> Result<Instruction, String> {
    let mut instruction = Instruction::default();
    for part in text.split('|').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((to, value)) if value.contains('*') => {
                instruction.product = Some(product(to.trim(), value, names)?);
            }
            Some((to, value)) => instruction.sum = Some(sum(to.trim(), value, names)?),
            None => (instruction.sequence, instruction.target) = sequence(part, labels, at)?,
        }
    }
    Ok(instruction)
}

fn sequence(part: &str, labels: &HashMap<String, usize>, at: usize) -> Result<(Sequence, u16), String> {
    let (word, target) = part.split_once(' ').unwrap_or((part, ""));
    let sequence = find(&SEQUENCES, word).ok_or_else(|| format!("{word} is no sequence"))?;
    let target = match (sequence, target.trim()) {
        (Sequence::Return, "") => 0,
        (Sequence::Join | Sequence::Done, end) => {
            find(&ENDS, end).ok_or_else(|| format!("{end} is no end of a job"))?
        }
        (Sequence::SetCount, count) => count.parse().map_err(|_| format!("{count} is no count"))?,
        (_, "self") => at,
        (_, label) => *labels.get(label).ok_or_else(|| format!("{label} is no label"))?,
    };
    u16::try_from(target).map(|target| (sequence, target)).map_err(|_| format!("{target} does not fit"))
}

fn find<T: Copy>(names: &[(&str, T)], wanted: &str) -> Option<T> {
    names.iter().find(|(name, _)| *name == wanted).map(|(_, meaning)| *meaning)
}

fn product(to: &str, value: &str, names: &Names) -> Result<Product, String> {
    let (a, b) = value.split_once('*').ok_or("a product has two operands")?;
    let (to_member, to) = match names.place(to)? {
        (Place::M(to), Index::Direct) => (false, to),
        (Place::Members, Index::Member) => (true, 0),
        _ => return Err(format!("{to} is not in bank M, where products go")),
    };
    let (a_bank, a, a_below) = match names.place(a.trim())? {
        (Place::M(a), Index::Direct) => (0, a, false),
        (Place::A(a), Index::Direct) => (1, a, false),
        (Place::Members, Index::Below) => (0, 0, true),
        _ => return Err("the first operand of a product is a register".to_owned()),
    };
    let (place, index) = names.place(b.trim())?;
    let (b_source, b) = match (place, index) {
        (Place::M(b), _) => (0, b),
        // The pool lies behind the sums.
        (Place::A(b), _) | (Place::Pool(b), Index::Member) => (1, b),
        (Place::Rom(b), _) => (2, b),
        (Place::Comb(b), _) => (3, b),
        _ => return Err("the second operand of a product is a register, a constant or a member's point".to_owned()),
    };
    Ok(Product { to_member, to, a_bank, a_below, a, b_source, b_index: index as u8, b })
}

fn sum(to: &str, value: &str, names: &Names) -> Result<Sum, String> {
    let (to_pool, to) = match names.place(to)? {
        (Place::A(to), Index::Direct) => (false, to),
        (Place::Pool(to), Index::Direct) => (true, to),
        _ => return Err(format!("{to} is not in bank A, where sums go")),
    };
    let words: Vec<_> = value.split_whitespace().collect();
    let [left, operator, right, flags @ ..] = words.as_slice() else {
        return Err("a sum is LEFT + RIGHT or LEFT - RIGHT".to_owned());
    };
    let mut sum = Sum { to_pool, to, ..Sum::default() };
    for flag in flags {
        match *flag {
            "!zero" => sum.set_zero = true,
            "!odd" => sum.set_odd = true,
            _ => return Err(format!("{flag} is no flag")),
        }
    }
    let minus = operator.starts_with('-');
    sum.flip = match operator.trim_start_matches(['+', '-']) {
        "" => 0,
        "digit" => 1,
        "keysign" => 2,
        "rsign" => 3,
        "key" => 4,
        "base" => 5,
        other => return Err(format!("{other} turns no sum around")),
    };
    let ((left, Index::Direct), (right, Index::Direct)) = (names.place(left)?, names.place(right)?) else {
        return Err("a sum takes no entry by digit".to_owned());
    };
    operands(&mut sum, left, right, minus)?;
    Ok(sum)
}

/// Chooses the ports: the second one reads bank M only.
fn operands(sum: &mut Sum, left: Place, right: Place, minus: bool) -> Result<(), String> {
    let straight = matches!(right, Place::M(_) | Place::Zero);
    let (a, b) = if straight { (left, right) } else { (right, left) };
    sum.operation = match (minus, straight) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => 2,
    };
    match b {
        Place::M(b) => sum.b = b,
        Place::Zero => sum.b_zero = true,
        _ => return Err("one operand of a sum comes from bank M, or is 0".to_owned()),
    }
    if sum.flip != 0 && !straight {
        return Err("a sum that turns around has its second operand in bank M".to_owned());
    }
    (sum.a_source, sum.a) = match a {
        Place::M(a) => (0, a),
        Place::A(a) => (1, a),
        Place::Input(a) => (2, a),
        Place::Zero => (3, 0),
        _ => return Err("a sum takes no constant and no member".to_owned()),
    };
    Ok(())
}
