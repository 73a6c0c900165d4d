//! Formats figures and tables.

use std::fmt::Write;

pub const MEGABYTE: f64 = 1e6;

pub fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / MEGABYTE)
}

pub fn milliseconds(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1e3)
}

/// Formats a share of 1.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

pub fn times(factor: f64) -> String {
    format!("{factor:.2} ×")
}

pub fn ratio(measured: f64, limit: f64) -> Option<f64> {
    (limit > 0.0).then(|| measured / limit)
}

/// Formats a rounded number with thousands separators.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A Markdown table with aligned columns: the first to the left, the others to the right.
pub fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let header = header.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(2);
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column == 0 { write!(text, "| {cell:<width$} ") } else { write!(text, "| {cell:>width$} ") };
        }
        text.push_str("|\n");
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let _ =
                    if column == 0 { write!(text, "|:{:-<width$}-", "") } else { write!(text, "|-{:-<width$}:", "") };
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_for_people() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(
            (percent(0.526), times(3.0), milliseconds(0.0214)),
            ("53 %".into(), "3.00 ×".into(), "21 ms".into())
        );
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["lists ≥".to_owned(), "5".to_owned()]];
        assert_eq!(
            table(&["", "req/s"], rows.into_iter()),
            "|         | req/s |\n|:--------|------:|\n| lists ≥ |     5 |\n"
        );
    }
}
