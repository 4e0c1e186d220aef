//! Names of registers, table entries, constants and inputs.

use crate::curve::NAMED;
use std::collections::HashMap;

/// Registers of a bank that the tables take.
const TABLE_REGISTERS: u8 = 16;
/// Entries of the table of -A; as many of -R follow.
const ENTRIES: u8 = 4;
const REGISTERS: u8 = 32;
/// Words of a job that a sum can read, by number.
const INPUTS: [&str; 4] = ["in.key", "member.r", "in.one", "in.r"];

/// Where an operand stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A register of the bank of products.
    M(u8),
    /// A register of the bank of sums.
    A(u8),
    /// An address of the ROM.
    Rom(u8),
    /// A word of the job.
    Input(u8),
    /// A column of the key's comb, or a word of the fourth column.
    Comb(u8),
    /// A word of a job in the pool.
    Pool(u8),
    /// The registers of bank M that stand for the members of a batch, from the first one on.
    Members,
    /// The number 0.
    Zero,
}

/// Which digit chooses the entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// None.
    Direct,
    /// The digit at hand, for the tables of -A and -R.
    Point,
    /// The digit at hand, for the table of the base point.
    Base,
    /// The member of the batch at hand.
    Member,
    /// The digits, as they are for combs.
    Comb,
    /// The one before.
    Below,
}

/// What the source has named so far.
#[derive(Default)]
pub struct Names {
    places: HashMap<String, Place>,
    tables: HashMap<String, Place>,
    next_m: u8,
    next_a: u8,
}

impl Names {
    /// Takes a directive without its point.
    pub fn declare(&mut self, directive: &str) -> Result<(), String> {
        let (kind, names) = directive.split_once(' ').ok_or("a directive has names")?;
        for (at, name) in names.split_whitespace().enumerate() {
            let column = at as u8;
            match kind {
                "m" => self.register(name, true)?,
                "a" => self.register(name, false)?,
                "m.alias" | "a.alias" => self.alias(name)?,
                "table.m" => drop(self.tables.insert(name.to_owned(), Place::M(column))),
                "table.a" => drop(self.tables.insert(name.to_owned(), Place::A(column))),
                "table.m.r" => drop(self.tables.insert(name.to_owned(), Place::M(2 * ENTRIES + column))),
                "table.a.r" => drop(self.tables.insert(name.to_owned(), Place::A(2 * ENTRIES + column))),
                "rom" => drop(self.tables.insert(name.to_owned(), Place::Rom(column))),
                "comb" => drop(self.tables.insert(name.to_owned(), Place::Comb(column))),
                "start" => drop(self.places.insert(name.to_owned(), Place::Comb(column))),
                "pool" => drop(self.tables.insert(name.to_owned(), Place::Pool(column))),
                "members" => drop(self.tables.insert(name.to_owned(), Place::Members)),
                _ => return Err(format!("{kind} is no directive")),
            }
        }
        Ok(())
    }

    fn register(&mut self, name: &str, in_m: bool) -> Result<(), String> {
        let next = if in_m { &mut self.next_m } else { &mut self.next_a };
        let number = TABLE_REGISTERS + *next;
        if number >= REGISTERS {
            return Err(format!("bank {} has no register left for {name}", if in_m { "M" } else { "A" }));
        }
        *next += 1;
        self.places.insert(name.to_owned(), if in_m { Place::M(number) } else { Place::A(number) });
        Ok(())
    }

    fn alias(&mut self, pair: &str) -> Result<(), String> {
        let (name, of) = pair.split_once('=').ok_or("an alias is NAME=REGISTER")?;
        let place = *self.places.get(of).ok_or_else(|| format!("{of} is no register"))?;
        self.places.insert(name.to_owned(), place);
        Ok(())
    }

    /// What an operand means.
    pub fn place(&self, name: &str) -> Result<(Place, Index), String> {
        let unknown = || format!("{name} has no meaning here");
        if name == "0" {
            return Ok((Place::Zero, Index::Direct));
        }
        if let Some(at) = INPUTS.iter().position(|input| *input == name) {
            return Ok((Place::Input(at as u8), Index::Direct));
        }
        if let Some(constant) = name.strip_prefix('#') {
            let at = NAMED.iter().position(|named| *named == constant).ok_or_else(unknown)?;
            return Ok((Place::Rom(4 * at as u8 + 3), Index::Direct));
        }
        if let Some((table, entry)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) {
            return self.entry(table, entry).ok_or_else(unknown);
        }
        self.places.get(name).map(|place| (*place, Index::Direct)).ok_or_else(unknown)
    }

    fn entry(&self, table: &str, entry: &str) -> Option<(Place, Index)> {
        let place = *self.tables.get(table)?;
        let at = |number: u8| match place {
            Place::M(column) => Place::M(2 * number + column),
            Place::A(column) => Place::A(2 * number + column),
            other => other,
        };
        match (entry, place) {
            ("base", Place::Rom(_)) => Some((place, Index::Base)),
            ("point", Place::M(_) | Place::A(_)) => Some((place, Index::Point)),
            ("comb", Place::Rom(_) | Place::Comb(_)) => Some((place, Index::Comb)),
            ("own", Place::Pool(_)) => Some((place, Index::Direct)),
            ("member", Place::Pool(_) | Place::Members) => Some((place, Index::Member)),
            ("below", Place::Members) => Some((place, Index::Below)),
            (number, Place::M(_) | Place::A(_)) => {
                let number = number.parse().ok().filter(|number| *number < ENTRIES)?;
                Some((at(number), Index::Direct))
            }
            _ => None,
        }
    }
}
