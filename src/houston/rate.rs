//! How fast requests may leave, as users say it: a rate, `auto` or `none`.
//!
//! Main types: [`Rate`] and [`Speed`].

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// How many requests may be sent in a unit of time: `20/s`, `300/m`, `1000/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Unit {
    fn length(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => Duration::from_secs(60),
            Self::Hour => Duration::from_secs(3600),
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Second => 's',
            Self::Minute => 'm',
            Self::Hour => 'h',
        }
    }
}

/// A text that is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a whole number per unit of time, such as 20/s, 300/m or 1000/h, at most {}/s", Rate::MOST)]
pub struct NotARate;

impl Rate {
    /// The highest rate per second.
    pub const MOST: u32 = 100_000;

    /// This many a second; `None` for 0 and for more than [`Rate::MOST`].
    pub fn per_second(count: u32) -> Option<Self> {
        let count = NonZeroU32::new(count).filter(|count| count.get() <= Self::MOST)?;
        Some(Self { count, unit: Unit::Second })
    }

    /// The rate with this time from one request to the next, as near as whole numbers per hour come.
    pub fn with_period(period: Duration) -> Option<Self> {
        let per_hour = Unit::Hour.length().as_nanos().checked_div(period.as_nanos())?;
        let (count, unit) = match u32::try_from(per_hour).ok()? {
            per_hour if per_hour >= 3600 && per_hour % 3600 == 0 => (per_hour / 3600, Unit::Second),
            per_hour => (per_hour, Unit::Hour),
        };
        let rate = Self { count: NonZeroU32::new(count)?, unit };
        (rate.period() >= Duration::from_secs(1) / Self::MOST).then_some(rate)
    }

    /// The share of one of so many processes that keep to it together: at least one request per unit.
    #[must_use]
    pub fn shared_by(self, processes: NonZeroU32) -> Self {
        let count = NonZeroU32::new(self.count.get() / processes).unwrap_or(NonZeroU32::MIN);
        Self { count, ..self }
    }

    /// The time from one request to the next.
    pub fn period(self) -> Duration {
        self.unit.length() / self.count.get()
    }

    /// The time between permits: half a per cent more than the period, since requests that left in
    /// time can arrive closer together, and the promise is counted where they arrive.
    pub(super) fn spacing(self) -> Duration {
        self.period() + self.period() / 200
    }

    /// How many requests may leave at once after a pause: ten milliseconds' worth, at least one.
    /// Fewer would lose throughput to the timer, more would break the promise of the rate.
    pub fn burst(self) -> NonZeroU32 {
        let burst = Duration::from_millis(10).as_nanos() / self.period().as_nanos().max(1);
        u32::try_from(burst).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (count, unit) = text.trim().split_once('/').ok_or(NotARate)?;
        let count = count.trim().parse().map_err(|_| NotARate)?;
        let unit = match unit.trim() {
            "s" | "sec" | "second" => Unit::Second,
            "m" | "min" | "minute" => Unit::Minute,
            "h" | "hour" => Unit::Hour,
            _ => return Err(NotARate),
        };
        let rate = Self { count, unit };
        if rate.period() < Duration::from_secs(1) / Self::MOST { Err(NotARate) } else { Ok(rate) }
    }
}

/// How fast requests may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Speed {
    /// As fast as Houston bears: the window of requests in flight follows latency.
    #[default]
    Auto,
    /// At this rate at most.
    Limited(Rate),
    /// As fast as the requests in flight are answered.
    Unlimited,
}

impl Speed {
    /// The rate, if there is one.
    pub fn rate(self) -> Option<Rate> {
        match self {
            Self::Limited(rate) => Some(rate),
            Self::Auto | Self::Unlimited => None,
        }
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::Unlimited),
            text => text.parse().map(Self::Limited).map_err(|error| format!("{error}, or auto, or none")),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Limited(rate) => rate.fmt(f),
            Self::Unlimited => f.write_str("none"),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit.letter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_and_shown() {
        for (text, period) in [
            ("20/s", Duration::from_millis(50)),
            (" 300 / m ", Duration::from_millis(200)),
            ("1/h", Duration::from_secs(3600)),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.period(), period, "{text}");
            assert_eq!(rate.to_string().parse(), Ok(rate));
        }
        for bad in ["", "20", "0/s", "-1/s", "1.5/s", "20/d", "none", "100001/s"] {
            assert_eq!(bad.parse::<Rate>(), Err(NotARate), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_known_by_its_period() {
        for text in ["20/s", "300/m", "10/h", "2000/s", "1/s"] {
            let rate: Rate = text.parse().unwrap();
            let again = Rate::with_period(rate.period()).unwrap();
            assert_eq!(again.period(), rate.period(), "{text}: {again}");
        }
        assert_eq!(Rate::with_period(Duration::ZERO), None);
    }

    #[test]
    fn a_burst_is_ten_milliseconds_worth() {
        let burst = |text: &str| text.parse::<Rate>().unwrap().burst().get();
        assert_eq!([burst("1/h"), burst("20/s"), burst("100/s"), burst("2000/s")], [1, 1, 1, 20]);
    }
}
