//! Numbers with a smallest and a largest value, as flags take them.
//!
//! Main function: [`number`].

use std::fmt::Display;
use std::str::FromStr;

/// The parser of a flag that takes a whole number from `least` to `most`.
pub(super) fn number<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |text| {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("must be a whole number".to_owned());
        }
        // What does not fit is too large.
        let number = text.parse::<T>().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("must be from {least} to {most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_its_range_is_refused_in_words() {
        let parse = number(1_u8, 64);
        assert_eq!((parse("1"), parse("064")), (Ok(1), Ok(64)));
        for bad in ["0", "65", "300", "99999999999999999999999"] {
            assert_eq!(parse(bad), Err("must be from 1 to 64".to_owned()), "{bad}");
        }
        for bad in ["", "x", "-1", "1.5", " 1"] {
            assert_eq!(parse(bad), Err("must be a whole number".to_owned()), "{bad:?}");
        }
    }
}
