//! Human-readable quantities in the interface's language.

use crate::i18n::tf;

/// A number with a fixed number of decimals.
pub(crate) fn decimal(number: f64, digits: u8) -> String {
    let options = js_sys::Object::new();
    for name in ["minimumFractionDigits", "maximumFractionDigits"] {
        // Setting a property of a plain object does not fail.
        let _ = js_sys::Reflect::set(&options, &name.into(), &digits.into());
    }
    let locales = js_sys::Array::of1(&crate::i18n::language_tag().into());
    let format = js_sys::Intl::NumberFormat::new(&locales, &options);
    let text = format.format().call1(&format, &number.into());
    text.ok().and_then(|text| text.as_string()).unwrap_or_default()
}

/// A size with about three significant digits: `98.4 MB`, `4.20 GB`.
pub(crate) fn bytes(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 1e9 => format!("{} GB", decimal(bytes / 1e9, 2)),
        bytes if bytes >= 1e6 => format!("{} MB", decimal(bytes / 1e6, 1)),
        bytes if bytes >= 1e3 => format!("{} kB", decimal(bytes / 1e3, 0)),
        bytes => format!("{} B", decimal(bytes, 0)),
    }
}

/// An approximate size: `98 MB`, `4.2 GB`.
pub(crate) fn rounded_bytes(bytes: f64) -> String {
    if bytes >= 1e9 { format!("{} GB", decimal(bytes / 1e9, 1)) } else { format!("{} MB", decimal(bytes / 1e6, 0)) }
}

/// A number with thousands separators, or shortened from a million on: `4,096`, `135 million`.
pub(crate) fn count(number: f64) -> String {
    match number {
        number if number >= 1e9 => tf("billions", [("number", decimal(number / 1e9, 1).into())]),
        number if number >= 1e6 => tf("millions", [("number", decimal(number / 1e6, 0).into())]),
        number => decimal(number, 0),
    }
}

/// A rounded duration: `12 s`, `3 min`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1.0 => crate::i18n::t("under-a-second"),
        seconds if seconds < 90.0 => format!("{} s", decimal(seconds, 0)),
        seconds if seconds < 5400.0 => format!("{} min", decimal(seconds / 60.0, 0)),
        seconds if seconds < 172_800.0 => format!("{} h", decimal(seconds / 3600.0, 1)),
        seconds => tf("days", [("count", decimal(seconds / 86_400.0, 0).into())]),
    }
}

/// A time in a recording: `0:07`, `1:02:03`.
pub(crate) fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A rate with two or three significant digits: `9.4`, `127`.
pub(crate) fn rate(per_second: f64) -> String {
    decimal(per_second, u8::from(per_second < 100.0))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn numbers_read_well() {
        assert_eq!([bytes(12.0), bytes(98_362_432.0), bytes(4.2e9)], ["12 B", "98.4 MB", "4.20 GB"]);
        assert_eq!([rounded_bytes(98e6), rounded_bytes(4.17e9)], ["98 MB", "4.2 GB"]);
        assert_eq!([duration(0.2), duration(42.4), duration(600.0)], ["less than a second", "42 s", "10 min"]);
        assert_eq!([clock(7.9), clock(3723.0)], ["0:07", "1:02:03"]);
        assert_eq!([134.5e6, 7.24e9].map(count), ["135 million", "7.2 billion"]);
        assert_eq!([rate(9.44), rate(127.3)], ["9.4", "127"]);
    }
}
