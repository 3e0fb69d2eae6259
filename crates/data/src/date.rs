use crate::{Column, Values};

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// Which part comes first in dates such as `03/04/2024`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateOrder {
    /// 3 April.
    #[default]
    DayFirst,
    /// March 4.
    MonthFirst,
}

impl DateOrder {
    /// The order in which all of a column's texts are dates; day first when both or none fit.
    ///
    /// ```
    /// use candor_data::DateOrder;
    /// assert_eq!(DateOrder::of(["03/04/2024", "03/25/2024"]), DateOrder::MonthFirst);
    /// ```
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> DateOrder {
        let (mut day_first, mut month_first) = (true, true);
        for text in texts {
            day_first &= parse_date_in(text, DateOrder::DayFirst).is_some();
            month_first &= parse_date_in(text, DateOrder::MonthFirst).is_some();
            if !month_first {
                break;
            }
        }
        if month_first && !day_first {
            DateOrder::MonthFirst
        } else {
            DateOrder::DayFirst
        }
    }
}

/// Seconds since 1970-01-01T00:00:00Z of a date or moment; `None` when the text is neither.
///
/// Understood are ISO 8601 (`2024-03-04`, `2024-03-04T05:06:07.5+01:00`, with `/` or `.` as well), `4.3.2024`,
/// `04/03/2024` (day first, or month first where the second number exceeds 12), `4 Mar 2024`,
/// `March 4, 2024`, each with an optional time. Two-digit years up to 68 lie after 2000. Moments without a
/// zone are taken as UTC; years are 1 to 9999.
///
/// ```
/// use candor_data::parse_date;
/// assert_eq!(parse_date("1970-01-02"), Some(86_400.0));
/// assert_eq!(parse_date("1970-01-01T01:00:00+01:00"), Some(0.0));
/// assert_eq!(parse_date("2.1.1970"), Some(86_400.0));
/// assert_eq!(parse_date("1970-02-30"), None);
/// ```
pub fn parse_date(text: &str) -> Option<f64> {
    parse_date_in(text, DateOrder::DayFirst).or_else(|| parse_date_in(text, DateOrder::MonthFirst))
}

/// As [`parse_date`], with the order of day and month given for dates that are only numbers.
pub fn parse_date_in(text: &str, order: DateOrder) -> Option<f64> {
    let text = text.trim();
    // The longest forms, `September 30, 2024 11:59:59.123456 PM +00:00`, stay under this.
    if text.len() < 6 || text.len() > 48 || !text.is_ascii() {
        return None;
    }
    let (date, time) = cut_time(text);
    let (year, month, day) = parse_day(date.trim_end_matches(','), order)?;
    let seconds = match time {
        None => 0.0,
        Some(time) => parse_time(time)?,
    };
    Some(days_from_civil(year, month, day)? as f64 * DAY + seconds)
}

/// The seconds of each row of a column of dates, in its own order of day and month, or of numbers as
/// they are; NaN where missing or no date.
pub fn time_values(column: &Column) -> Vec<f64> {
    match &column.values {
        Values::Numeric(values) => values.clone(),
        Values::Text { codes, dictionary } => {
            let order = DateOrder::of(dictionary.iter().map(String::as_str));
            let seconds: Vec<f64> = dictionary
                .iter()
                .map(|text| parse_date_in(text, order).unwrap_or(f64::NAN))
                .collect();
            codes
                .iter()
                .map(|&code| seconds.get(code as usize).copied().unwrap_or(f64::NAN))
                .collect()
        }
    }
}

/// Splits off the part that holds a colon, with what follows it.
fn cut_time(text: &str) -> (&str, Option<&str>) {
    let Some(colon) = text.find(':') else {
        // `2024-03-04T05` has no minutes: not a form that occurs.
        return (text, None);
    };
    match text[..colon].rfind(['T', 't', ' ']) {
        Some(at) => (text[..at].trim_end(), Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// Year, month and day of a date without time.
fn parse_day(date: &str, order: DateOrder) -> Option<(i64, u32, u32)> {
    let parts: Vec<&str> = date
        .split(['-', '/', '.', ' ', ','])
        .filter(|part| !part.is_empty())
        .collect();
    let [a, b, c] = parts[..] else { return None };
    if let Some(month) = month_number(b) {
        return if a.len() == 4 {
            Some((year(a)?, month, number(c)?))
        } else {
            Some((year(c)?, month, number(a)?))
        };
    }
    if let Some(month) = month_number(a) {
        return Some((year(c)?, month, number(b)?));
    }
    // Three numbers need one of the separators that dates have, twice the same.
    if date.contains(' ') || date.contains(',') || !same_separators(date) {
        return None;
    }
    if a.len() == 4 {
        return Some((year(a)?, number(b)?, number(c)?));
    }
    let (first, second) = (number(a)?, number(b)?);
    let year = year(c)?;
    Some(match order {
        DateOrder::DayFirst => (year, second, first),
        DateOrder::MonthFirst => (year, first, second),
    })
}

fn same_separators(date: &str) -> bool {
    let mut separators = date.bytes().filter(|b| !b.is_ascii_alphanumeric());
    let first = separators.next();
    separators.all(|s| Some(s) == first)
}

/// A day or month of one or two digits.
fn number(text: &str) -> Option<u32> {
    let fits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// Four digits, or two: up to 68 in this century, as POSIX has it.
fn year(text: &str) -> Option<i64> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: i64 = text.parse().ok()?;
    match text.len() {
        4 if value > 0 => Some(value),
        2 if value <= 68 => Some(2000 + value),
        2 => Some(1900 + value),
        _ => None,
    }
}

fn month_number(text: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let lower = text.to_ascii_lowercase();
    let named = |month: &str| {
        lower == month
            || (lower.len() == 3 && month.starts_with(&lower))
            || (lower == "sept" && month.starts_with("sept"))
    };
    MONTHS.iter().position(|m| named(m)).map(|i| i as u32 + 1)
}

/// Seconds of `HH:MM[:SS[.fraction]][ AM|PM][Z|UTC|+HH:MM|-HHMM]`, shifted to UTC.
fn parse_time(text: &str) -> Option<f64> {
    let (text, offset) = cut_zone(text.trim())?;
    let upper = text.trim().to_ascii_uppercase();
    let (clock, half) = match upper.strip_suffix("AM") {
        Some(clock) => (clock, Some(false)),
        None => match upper.strip_suffix("PM") {
            Some(clock) => (clock, Some(true)),
            None => (upper.as_str(), None),
        },
    };
    let mut parts = clock.trim().split(':');
    let mut hour = f64::from(number(parts.next()?)?);
    let minute = f64::from(number(parts.next()?)?);
    let second = match parts.next() {
        None => 0.0,
        Some(text) if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') => text.parse().ok()?,
        Some(_) => return None,
    };
    if parts.next().is_some() || minute >= 60.0 || !(0.0..61.0).contains(&second) {
        return None;
    }
    if let Some(afternoon) = half {
        if !(1.0..=12.0).contains(&hour) {
            return None;
        }
        hour = hour % 12.0 + if afternoon { 12.0 } else { 0.0 };
    }
    (hour <= 24.0).then_some(hour * 3600.0 + minute * 60.0 + second - offset)
}

/// The text without its zone, and the zone's offset from UTC in seconds.
fn cut_zone(text: &str) -> Option<(&str, f64)> {
    for utc in ["Z", "z", "UTC", "GMT"] {
        if let Some(clock) = text.strip_suffix(utc) {
            return Some((clock, 0.0));
        }
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0.0));
    };
    let sign = if text.as_bytes()[at] == b'-' {
        -1.0
    } else {
        1.0
    };
    let digits: String = text[at + 1..].chars().filter(|&c| c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: f64 = digits[..2].parse().ok()?;
    let minutes: f64 = digits
        .get(2..)
        .filter(|m| !m.is_empty())
        .map_or(Some(0.0), |m| m.parse().ok())?;
    Some((&text[..at], sign * (hours * 3600.0 + minutes * 60.0)))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; `None` for a day that does not exist.
fn days_from_civil(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last; 400 years have 146 097 days.
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// `2024-03-04` of a number of days since 1970-01-01.
pub(crate) fn iso_day(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2024-03-04T05:06:07` with a fraction where there is one; `units` a second since 1970-01-01.
pub(crate) fn iso_moment(count: i64, units: i64) -> String {
    let seconds = count.div_euclid(units);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let clock = format!(
        "{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    let rest = count.rem_euclid(units);
    let fraction = if rest == 0 {
        String::new()
    } else {
        let digits = units.ilog10() as usize;
        format!(".{rest:0digits$}").trim_end_matches('0').to_owned()
    };
    format!("{}T{clock}{fraction}", iso_day(days))
}

/// `2024-03-04T05:06:07` of seconds since 1970-01-01, to the nearest millisecond.
pub fn moment_text(seconds: f64) -> String {
    iso_moment((seconds * 1e3).round() as i64, 1_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_of_one_day() {
        // 2024-03-04 is 19 786 days after 1970-01-01.
        let day = 19_786.0 * DAY;
        let cases = [
            ("2024-03-04", 0.0),
            ("2024/3/4", 0.0),
            ("2024.03.04", 0.0),
            ("4.3.2024", 0.0),
            ("04/03/2024", 0.0),
            ("04-03-24", 0.0),
            ("4 Mar 2024", 0.0),
            ("04-MAR-2024", 0.0),
            ("March 4, 2024", 0.0),
            ("Mar 4 2024", 0.0),
            ("2024-03-04 05:06", 18_360.0),
            ("2024-03-04T05:06:07.5Z", 18_367.5),
            ("2024-03-04T05:06:07+01:00", 14_767.0),
            ("2024-03-04T05:06:07-0130", 23_767.0),
            ("4/3/2024 12:30 AM", 1800.0),
            ("4/3/2024 1:00:00 pm", 46_800.0),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_date(text), Some(day + seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "2024",
            "12",
            "1.2.3",
            "2024-13-01",
            "2023-02-29",
            "32/1/2024",
            "2024-03-04T25:00",
            "hello world",
            "192.168.1.1",
            "1-2-3",
            "10.5.123",
            "4 Foo 2024",
            "2024-03/04",
            "12:30",
            "May",
            "0000-01-01",
            "3 4 2024",
        ] {
            assert_eq!(parse_date(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_column_decides_on_one_order() {
        assert_eq!(
            DateOrder::of(["3/4/2024", "13/4/2024"]),
            DateOrder::DayFirst
        );
        assert_eq!(
            DateOrder::of(["3/4/2024", "4/13/2024"]),
            DateOrder::MonthFirst
        );
        let column = Column {
            name: "d".to_owned(),
            values: Values::Text {
                codes: vec![1, Values::MISSING, 0],
                dictionary: vec!["1/13/1970".to_owned(), "1/2/1970".to_owned()],
            },
        };
        let seconds = time_values(&column);
        assert_eq!((seconds[0], seconds[2]), (DAY, 12.0 * DAY));
        assert!(seconds[1].is_nan());
    }

    #[test]
    fn moments_are_written_in_iso_form() {
        assert_eq!(iso_day(19_786), "2024-03-04");
        assert_eq!(iso_day(-1), "1969-12-31");
        assert_eq!(iso_moment(-1, 1000), "1969-12-31T23:59:59.999");
        assert_eq!(iso_moment(1_500_000, 1_000_000), "1970-01-01T00:00:01.5");
    }

    proptest! {
        #[test]
        fn days_survive_writing_and_reading(days in -700_000i64..2_900_000) {
            prop_assert_eq!(parse_date(&iso_day(days)), Some(days as f64 * DAY));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse_date(&text);
        }
    }
}
