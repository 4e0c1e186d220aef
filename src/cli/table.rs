//! Tables of text, and numbers as people read them.

/// Rows under headings. The first column is aligned to the left, the others to the right.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines of the table, headings first.
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        self.rows.iter().map(|row| line(row, &widths)).collect()
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let padding = " ".repeat(width - cell.chars().count());
        text += &if column == 0 { format!("{cell}{padding}") } else { format!("  {padding}{cell}") };
    }
    text.trim_end().to_owned()
}

/// A time with three significant digits: `230 ns`, `1.25 us`, `31.0 ms`.
pub fn nanos(nanos: u64) -> String {
    let (scale, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (1e3, "us"),
        1_000_000..1_000_000_000 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    let value = nanos as f64 / scale;
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// A number with its thousands apart: `20,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many things: `1 command`, `20,000 commands`.
pub fn amount(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["stage", "p50"]);
        table.row(vec!["x".into(), "1.25 us".into()]);
        assert_eq!(table.lines(), ["stage      p50", "x      1.25 us"]);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([7, 1_250, 31_000_000, 2_000_000_000].map(nanos), ["7 ns", "1.25 us", "31.0 ms", "2.00 s"]);
        assert_eq!([1, 2_000].map(|number| amount(number, "line")), ["1 line", "2,000 lines"]);
        assert_eq!([0, 999, 20_000, 1_234_567].map(count), ["0", "999", "20,000", "1,234,567"]);
    }
}
