//! Numbers as people read them.

/// Bytes in decimal units, as download sizes are given: `98.4 MB`.
pub(crate) fn bytes(count: f64) -> String {
    match count {
        count if count < 1e3 => format!("{count:.0} B"),
        count if count < 1e6 => format!("{:.0} kB", count / 1e3),
        count if count < 1e9 => format!("{:.1} MB", count / 1e6),
        count => format!("{:.2} GB", count / 1e9),
    }
}

/// A number, with thousands apart or, from a million on, shortened: `4,096`, `135 million`.
pub(crate) fn count(number: f64) -> String {
    match number {
        number if number >= 1e9 => format!("{:.1} billion", number / 1e9),
        number if number >= 1e6 => format!("{:.0} million", number / 1e6),
        number if number >= 1e3 => {
            let (thousands, rest) = ((number / 1e3).floor(), number % 1e3);
            format!("{thousands:.0},{rest:03.0}")
        }
        number => format!("{number:.0}"),
    }
}

/// A time to wait, rounded the way a person would say it: `12 s`, `3 min`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1.0 => "less than a second".to_owned(),
        seconds if seconds < 90.0 => format!("{seconds:.0} s"),
        seconds if seconds < 5400.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

/// A rate with as many digits as mean something: `9.4`, `127`.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second < 100.0 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([bytes(12.0), bytes(98_362_432.0), bytes(4.2e9)], ["12 B", "98.4 MB", "4.20 GB"]);
        assert_eq!([duration(0.2), duration(42.4), duration(600.0)], ["less than a second", "42 s", "10 min"]);
        let counts = [512.0, 4096.0, 131_072.0, 134.5e6, 7.24e9].map(count);
        assert_eq!(counts, ["512", "4,096", "131,072", "134 million", "7.2 billion"]);
        assert_eq!([rate(9.44), rate(127.3)], ["9.4", "127"]);
    }
}
