//! Flags for rate, timeouts, retries, and when to stop.
//!
//! Main type: [`PaceArgs`], which resolves to [`PaceSettings`].

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use crate::cli::number::number;
use crate::engine;
use crate::houston::{Rate, Speed};
use crate::model::Shard;
use crate::model::period::Period;
use crate::ops::session::pace::{PaceSettings, share_of_concurrency, share_of_speed};
use crate::record::journal::RunPace;

const PACE: &str = "Pace";

/// Rate, timeouts, retries, and when to stop.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct PaceArgs {
    /// Maximum number of requests in flight [default: 8]
    ///
    /// From 1 to 64.
    #[arg(long, value_name = "N", value_parser = number(1_u8, 64), help_heading = PACE)]
    pub concurrency: Option<u8>,

    /// How fast to send requests: auto, none, or a limit [default: auto; none with --sandbox]
    ///
    /// `auto`: as many at a time, up to --concurrency, as Houston answers without slowing down. `20/s`,
    /// `300/m`: one limit for the whole process. `none`: as fast as --concurrency allows.
    #[arg(long, value_name = "RATE", help_heading = PACE)]
    pub rate: Option<Speed>,

    /// How many times to retry a request [default: 4]
    #[arg(long, value_name = "N", value_parser = number(0_u32, 100), help_heading = PACE)]
    pub retries: Option<u32>,

    /// Timeout of one request [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = timeout, help_heading = PACE)]
    pub timeout: Option<Period>,

    /// How long to look for the effect of a write that got no answer before sending it again, on a
    /// server that is not known to refuse repeats [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = PACE)]
    pub settle: Option<Period>,

    /// Stop the run if Houston asks for a longer wait than this, or is down for longer [default: 5m]
    #[arg(long, value_name = "TIME", help_heading = PACE)]
    pub max_wait: Option<Period>,

    /// Stop after N consecutive failed rows or, once 100 rows are finished, when P% of them have failed
    /// [default: 20]
    #[arg(long, value_name = "N|P%", help_heading = PACE)]
    pub max_errors: Option<MaxErrors>,

    /// Start no new rows after this time, and finish those in flight
    #[arg(long, value_name = "TIME", help_heading = PACE)]
    pub max_duration: Option<Period>,

    /// How long to wait for requests in flight after the first Ctrl-C or SIGTERM; a second one ends the
    /// program immediately [default: 20s]
    #[arg(long, value_name = "TIME", help_heading = PACE)]
    pub grace: Option<Period>,
}

impl PaceArgs {
    /// Fills in the values of an earlier leg of the run for flags that are not set.
    pub fn default_to(&mut self, pace: &RunPace) {
        let period = |ms| Some(Period(Duration::from_millis(ms)));
        self.concurrency = self.concurrency.or_else(|| u8::try_from(pace.concurrency).ok());
        self.rate = self.rate.or_else(|| {
            Some(match pace.period_us {
                Some(us) => Speed::Limited(Rate::with_period(Duration::from_micros(us))?),
                None if pace.auto => Speed::Auto,
                None => Speed::Unlimited,
            })
        });
        self.retries = self.retries.or(Some(pace.retries));
        self.timeout = self.timeout.or_else(|| period(pace.timeout_ms));
        self.settle = self.settle.or_else(|| period(pace.settle_ms));
    }

    /// Gives a shard its share of the values that are set.
    pub fn divide(&mut self, shard: Shard) {
        let divide = |given: u8| u8::try_from(share_of_concurrency(given.into(), shard)).unwrap_or(given);
        self.concurrency = self.concurrency.map(divide);
        self.rate = self.rate.map(|speed| share_of_speed(speed, shard));
    }

    /// The settings; `rehearsal` is whether the target is the sandbox, which needs no rate limit.
    ///
    /// # Errors
    /// A message about a value that a configuration file may contain but a flag may not.
    pub fn resolve(&self, rehearsal: bool) -> Result<PaceSettings, String> {
        let concurrency = self.concurrency.unwrap_or(8);
        if !(1..=64).contains(&concurrency) {
            return Err(format!("concurrency must be between 1 and 64, not {concurrency}"));
        }
        let usual = if rehearsal { Speed::Unlimited } else { Speed::Auto };
        let time =
            |period: Option<Period>, seconds| period.map_or(Duration::from_secs(seconds), |period| period.0);
        let timeout = time(self.timeout, 30);
        if timeout < Duration::from_millis(1) {
            return Err("timeout must be at least 1ms".to_owned());
        }
        Ok(PaceSettings {
            concurrency: usize::from(concurrency),
            speed: self.rate.unwrap_or(usual),
            retries: self.retries.unwrap_or(4),
            timeout,
            settle: time(self.settle, 10),
            max_wait: time(self.max_wait, 300),
            max_errors: self.max_errors.unwrap_or_default().into(),
            max_duration: self.max_duration.map(|period| period.0),
            grace: time(self.grace, 20),
        })
    }
}

fn timeout(text: &str) -> Result<Period, String> {
    let period: Period = text.parse()?;
    if period.0 < Duration::from_millis(1) {
        Err("a timeout must be at least 1ms".to_owned())
    } else {
        Ok(period)
    }
}

/// How many failures stop a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxErrors {
    /// This many consecutive failed rows.
    InARow(NonZeroU32),
    /// This percentage of the finished rows.
    PerCent(u8),
}

impl Default for MaxErrors {
    fn default() -> Self {
        Self::InARow(NonZeroU32::new(20).unwrap_or(NonZeroU32::MIN))
    }
}

impl From<MaxErrors> for engine::MaxErrors {
    fn from(given: MaxErrors) -> Self {
        match given {
            MaxErrors::InARow(rows) => Self::InARow(u64::from(rows.get())),
            MaxErrors::PerCent(share) => Self::Percent(f64::from(share)),
        }
    }
}

impl FromStr for MaxErrors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a number of rows (20) or a percentage (5%), at least 1".to_owned();
        let text = text.trim();
        match text.strip_suffix('%') {
            Some(part) => {
                let part = part.trim_end().parse().ok().filter(|part| (1..=100).contains(part));
                part.map(Self::PerCent).ok_or_else(wrong)
            }
            None => text.parse().map(Self::InARow).map_err(|_| wrong()),
        }
    }
}
