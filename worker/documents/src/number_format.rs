//! How Excel shows a number: as far as it tells what the number is, such as a date or a share.

/// A format of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum NumberFormat {
    /// As many digits as it takes.
    #[default]
    General,
    /// So many decimals, in groups of thousands or not.
    Fixed { decimals: usize, has_groups: bool },
    /// A share of 100, with so many decimals.
    Percent { decimals: usize },
    /// Days since the beginning of 1900, with or without a time of the day.
    Date { has_date: bool, has_time: bool },
}

impl NumberFormat {
    /// The format of this id, if it is one that files do not define.
    pub(crate) fn built_in(id: u32) -> Self {
        match id {
            1 => Self::Fixed { decimals: 0, has_groups: false },
            2 => Self::Fixed { decimals: 2, has_groups: false },
            3 | 37 | 38 => Self::Fixed { decimals: 0, has_groups: true },
            4 | 39 | 40 => Self::Fixed { decimals: 2, has_groups: true },
            9 => Self::Percent { decimals: 0 },
            10 => Self::Percent { decimals: 2 },
            14..=17 | 27..=31 | 36 | 50..=54 | 57 | 58 => Self::Date { has_date: true, has_time: false },
            18..=21 | 32..=35 | 45..=47 | 55 | 56 => Self::Date { has_date: false, has_time: true },
            22 => Self::Date { has_date: true, has_time: true },
            _ => Self::General,
        }
    }

    /// The format that a code such as `#,##0.00` describes.
    pub(crate) fn of_code(code: &str) -> Self {
        let code = bare(code);
        if code == "general" {
            return Self::General;
        }
        let has_date = code.contains(['y', 'd']) || code.contains("mmm");
        let has_time = code.contains(['h', 's']);
        if has_date || has_time {
            return Self::Date { has_date, has_time };
        }
        let decimals =
            code.split_once('.').map_or(0, |(_, rest)| rest.chars().take_while(|c| "0#?".contains(*c)).count());
        if code.contains('%') {
            Self::Percent { decimals }
        } else if code.contains('0') && !code.contains(['e', '/']) {
            Self::Fixed { decimals, has_groups: code.contains("#,#") || code.contains("0,0") }
        } else {
            Self::General
        }
    }

    /// The number as text. `is_1904` says that days are counted from the beginning of 1904.
    pub(crate) fn show(self, number: f64, is_1904: bool) -> String {
        match self {
            Self::General => general(number),
            Self::Fixed { decimals, has_groups } => {
                let text = format!("{number:.decimals$}");
                if has_groups { grouped(&text) } else { text }
            }
            Self::Percent { decimals } => format!("{:.decimals$}%", number * 100.0),
            Self::Date { has_date, has_time } => {
                date(number, has_date, has_time, is_1904).unwrap_or_else(|| general(number))
            }
        }
    }
}

/// The part of a code for positive numbers, in lower case, without texts, colours and conditions.
fn bare(code: &str) -> String {
    let mut bare = String::new();
    let mut rest = code.chars();
    while let Some(character) = rest.next() {
        match character {
            ';' => break,
            '"' => {
                rest.find(|c| *c == '"');
            }
            '[' => {
                let within: String = rest.by_ref().take_while(|c| *c != ']').collect();
                // Hours that count on, as in `[h]:mm`.
                if within.chars().all(|c| "hHmMsS".contains(c)) {
                    bare.push_str(&within.to_lowercase());
                }
            }
            '\\' | '_' | '*' => {
                rest.next();
            }
            character => bare.extend(character.to_lowercase()),
        }
    }
    bare
}

/// With at most 15 digits, which is what Excel computes with.
fn general(number: f64) -> String {
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    if rounded == 0.0 || (1e-9..1e15).contains(&rounded.abs()) { rounded.to_string() } else { format!("{rounded:e}") }
}

/// With commas between groups of three digits.
fn grouped(text: &str) -> String {
    let (whole, fraction) = text.find('.').map_or((text, ""), |at| text.split_at(at));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// `None` if it is no day of the years 1900 to 9999.
fn date(number: f64, has_date: bool, has_time: bool, is_1904: bool) -> Option<String> {
    const SECONDS: f64 = 86_400.0;
    if !(0.0..2_958_466.0).contains(&number) {
        return None;
    }
    let seconds = (number.fract() * SECONDS).round();
    let (day, seconds) = if seconds >= SECONDS { (number.trunc() + 1.0, 0.0) } else { (number.trunc(), seconds) };
    let seconds = seconds as u64;
    let mut text = String::new();
    if has_date {
        // Excel counts a 29 February 1900, which was none.
        let since_1899 = match day as i64 {
            day if is_1904 => day + 1462,
            day if day < 60 => day + 1,
            day => day,
        };
        let (year, month, day) = civil(since_1899 - 25_569);
        text = format!("{year:04}-{month:02}-{day:02}");
    }
    if has_time {
        let separator = if text.is_empty() { "" } else { " " };
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        text = format!("{text}{separator}{hours:02}:{minutes:02}:{:02}", seconds % 60);
    }
    Some(text)
}

/// Year, month and day of a number of days since 1970, after Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_what_a_number_is() {
        let cases = [
            ("General", 0.1 + 0.2, "0.3"),
            ("0.00", 2.5, "2.50"),
            ("#,##0.00 \"EUR\"", 1_234_567.891, "1,234,567.89"),
            ("#,##0", -1234.0, "-1,234"),
            ("0.0%", 0.125, "12.5%"),
            ("yyyy\\-mm\\-dd", 45_356.0, "2024-03-05"),
            ("[$-409]d/m/yy h:mm", 45_356.5, "2024-03-05 12:00:00"),
            ("[h]:mm:ss", 0.75, "18:00:00"),
            ("[Red]0;-0", 7.0, "7"),
            ("0.00E+00", 12_000.0, "12000"),
        ];
        for (code, number, expected) in cases {
            assert_eq!(NumberFormat::of_code(code).show(number, false), expected, "{code}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let date = NumberFormat::built_in(14);
        for (number, expected) in
            [(1.0, "1900-01-01"), (59.0, "1900-02-28"), (61.0, "1900-03-01"), (36_526.0, "2000-01-01")]
        {
            assert_eq!(date.show(number, false), expected);
        }
        assert_eq!(date.show(0.0, true), "1904-01-01");
        assert_eq!(NumberFormat::built_in(21).show(0.999_999_9, false), "00:00:00");
        // No day of any calendar.
        for number in [-1.0, 1e300, f64::NAN] {
            assert_eq!(date.show(number, false), general(number));
        }
    }
}
