//! Times as people write and read them: `30s`, `5m`, `1h 30m`.
//!
//! Main type: [`Period`]. It is text in and text out; nothing waits here.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};

/// A length of time with its unit: `30s`, `5m`, `1h 30m`, `PT10S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// No time in this program is longer.
const LONGEST_PERIOD: Duration = Duration::from_secs(30 * 24 * 3600);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(format!("the unit is missing: {text}s, {text}m or {text}h"));
        }
        let span: SignedDuration = text
            .parse()
            .map_err(|_| "a time is a number with a unit, such as 500ms, 30s, 5m or 1h".to_owned())?;
        let period = Duration::try_from(span).map_err(|_| "a time is not negative".to_owned())?;
        if period > LONGEST_PERIOD {
            return Err("a time is 30 days (720h) at most".to_owned());
        }
        Ok(Self(period))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(span) => write!(f, "{span:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

/// A time in UTC; a date that no calendar has is shown as far as possible.
pub fn moment(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(
        |_| "a time that no calendar has".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// The day of a time, in UTC.
pub fn day(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| moment(time), |time| time.strftime("%Y-%m-%d").to_string())
}

/// In seconds up to a few minutes, in minutes from there on.
pub fn spoken(time: Duration) -> String {
    let step = if time < Duration::from_secs(600) { 1 } else { 60 };
    Period(Duration::from_secs(time.as_secs() / step * step)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_is_not_negative() {
        for (text, millis) in
            [("30s", 30_000), ("500ms", 500), ("1h 30m", 5_400_000), ("PT10S", 10_000), ("0s", 0)]
        {
            assert_eq!(text.parse(), Ok(Period(Duration::from_millis(millis))), "{text}");
        }
        assert_eq!("30".parse::<Period>().unwrap_err(), "the unit is missing: 30s, 30m or 30h");
        assert_eq!("-5s".parse::<Period>().unwrap_err(), "a time is not negative");
        assert_eq!("721h".parse::<Period>().unwrap_err(), "a time is 30 days (720h) at most");
        for bad in ["", "soon", "5 parsecs", "s"] {
            assert!(bad.parse::<Period>().unwrap_err().contains("such as"), "{bad}");
        }
        assert_eq!("90s".parse::<Period>().unwrap().to_string().parse(), "90s".parse::<Period>());
    }
}
