//! Whether a token will live as long as a run.
//!
//! Main functions: [`judge`], and [`time_for`], which says how long a run will take; main type:
//! [`TokenInForce`]. A token's expiry is read here, by this machine's clock, and only for a
//! warning: Houston decides.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::houston::token::{Exposure, exposure};
use crate::houston::{Credential, Rate};
use crate::report::notices::TokenNotice;

/// What to report about the expiry of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenLife {
    /// Nothing: it outlives the run, or does not end.
    Enough,
    /// It ends before the run does.
    TooShort {
        /// When.
        ends: SystemTime,
        /// How long it has left.
        left: Duration,
        /// How long the run will need.
        needed: Duration,
    },
    /// By this machine's clock it has ended.
    Over {
        /// When.
        ended: SystemTime,
    },
}

/// Compares the end of a token, if it has one, with the time that a run will need.
pub fn judge(expires: Option<SystemTime>, now: SystemTime, needed: Duration) -> TokenLife {
    let Some(ends) = expires else { return TokenLife::Enough };
    match ends.duration_since(now) {
        Ok(left) if left.is_zero() => TokenLife::Over { ended: ends },
        Ok(left) if left < needed => TokenLife::TooShort { ends, left, needed },
        Ok(_) => TokenLife::Enough,
        Err(_) => TokenLife::Over { ended: ends },
    }
}

/// How long so many requests take if nothing goes wrong: as long as the rate demands, or as the
/// answers take where that is longer.
pub fn time_for(requests: u64, rate: Option<Rate>, latency: Duration, concurrency: usize) -> Duration {
    let requests = u32::try_from(requests).unwrap_or(u32::MAX);
    let lanes = u32::try_from(concurrency).unwrap_or(u32::MAX).max(1);
    let by_rate = rate.map_or(Duration::ZERO, |rate| rate.period().saturating_mul(requests));
    by_rate.max((latency / lanes).saturating_mul(requests))
}

impl TokenLife {
    /// The notice, if there is one. `file` is the file that the token came from.
    pub fn notice(self, file: Option<&Path>) -> Option<TokenNotice<'_>> {
        match self {
            Self::Enough => None,
            Self::TooShort { ends, left, needed } => Some(TokenNotice::TooShort { ends, left, needed, file }),
            Self::Over { ended } => Some(TokenNotice::Over(ended)),
        }
    }
}

/// What to say about a token file that other users of the machine can get at.
pub fn exposed(file: &Path) -> Option<TokenNotice<'_>> {
    Some(match exposure(file)? {
        Exposure::Readable => TokenNotice::Readable(file),
        Exposure::Replaceable => TokenNotice::Replaceable(file),
    })
}

/// The token in force, and where it comes from.
pub struct TokenInForce {
    /// What it is.
    pub credential: Credential,
    /// The file it came from, if it did.
    pub file: Option<PathBuf>,
    /// How many times its replacement has been reported.
    told: AtomicUsize,
}

impl TokenInForce {
    /// A token about which nothing has been reported yet.
    pub fn new(credential: Credential, file: Option<PathBuf>) -> Self {
        Self { credential, file, told: AtomicUsize::new(0) }
    }

    /// How it compares with a run of this length.
    pub fn life(&self, needed: Duration) -> TokenLife {
        judge(self.credential.expires(), SystemTime::now(), needed)
    }

    /// What to report about its expiry.
    pub fn notice(&self, life: TokenLife) -> Option<TokenNotice<'_>> {
        life.notice(self.file.as_deref())
    }

    /// The file that a new token has been read from, if that has not been reported yet.
    pub fn replaced(&self) -> Option<&Path> {
        let renewals = self.credential.renewals();
        let is_news = self.told.swap(renewals, Ordering::Relaxed) != renewals;
        self.file.as_deref().filter(|_| is_news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_448_700);

    fn at(seconds: i64) -> SystemTime {
        let now = SystemTime::UNIX_EPOCH + NOW;
        let step = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { now - step } else { now + step }
    }

    fn of(expires: Option<SystemTime>, needed: u64) -> TokenLife {
        judge(expires, at(0), Duration::from_secs(needed))
    }

    #[test]
    fn a_token_is_compared_with_the_time_that_the_run_needs() {
        let (left, needed) = (Duration::from_secs(60), Duration::from_secs(61));
        let rows = [
            (None, u64::MAX, TokenLife::Enough),
            (Some(at(60)), 0, TokenLife::Enough),
            (Some(at(60)), 60, TokenLife::Enough),
            (Some(at(60)), 61, TokenLife::TooShort { ends: at(60), left, needed }),
            (Some(at(0)), 0, TokenLife::Over { ended: at(0) }),
            (Some(at(-1)), 10, TokenLife::Over { ended: at(-1) }),
            (Some(SystemTime::UNIX_EPOCH), 10, TokenLife::Over { ended: SystemTime::UNIX_EPOCH }),
        ];
        for (expires, needed, verdict) in rows {
            assert_eq!(of(expires, needed), verdict, "{expires:?} {needed}");
        }
    }

    #[test]
    fn a_run_takes_as_long_as_the_rate_or_the_answers_demand() {
        let (ms, seconds) = (Duration::from_millis, Duration::from_secs);
        let rate = Rate::per_second(20);
        assert_eq!(time_for(200, rate, ms(80), 8), seconds(10), "the rate is what holds it");
        assert_eq!(time_for(200, rate, ms(800), 8), seconds(20), "the answers are");
        assert_eq!(time_for(200, None, ms(80), 8), seconds(2));
        assert_eq!(time_for(0, rate, ms(80), 8), Duration::ZERO);
        assert!(time_for(u64::MAX, "1/h".parse().ok(), Duration::MAX, 0) > seconds(1 << 40));
    }

    #[test]
    fn absurd_ends_are_no_trouble() {
        for exp in
            ["0", "1e18", "1e19", "1e300", "253402300800", "18446744073709551615", "-5", "\"soon\"", "null"]
        {
            let claims = format!("{{\"exp\":{exp}}}");
            let token = format!("h.{}.s", base64url(&claims));
            let expires = crate::houston::Token::new(&token, "test").unwrap().expires();
            let is_past = exp == "0";
            assert_eq!(matches!(of(expires, 10), TokenLife::Over { .. }), is_past, "{exp}: {expires:?}");
            let far = TokenLife::TooShort {
                ends: expires.unwrap_or(SystemTime::UNIX_EPOCH),
                left: Duration::MAX,
                needed: Duration::MAX,
            };
            assert!(far.notice(None).is_some_and(|notice| !notice.to_string().is_empty()), "{exp}");
        }
    }

    fn base64url(text: &str) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits: Vec<u8> =
            text.bytes().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        let letter = |group: &[u8]| {
            let value = (0..6).fold(0, |value, at| value << 1 | group.get(at).copied().unwrap_or(0));
            char::from(LETTERS[usize::from(value)])
        };
        bits.chunks(6).map(letter).collect()
    }
}
