//! Decides whether a cell is an address that Houston can invite.
//!
//! Main function: [`parse_email`]. A plain ASCII address is settled by one walk over its bytes;
//! only what that walk does not know goes through the grammar of the RFCs and the Unicode tables.

use std::borrow::Cow;

use email_address::{EmailAddress, Error, Options};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection, skeleton};

use super::issue::{Complaint, IssueKind, quoted};
use crate::model::normalize_email;

/// The longest address, in bytes (RFC 5321, 4.5.3.1.3 without the angle brackets).
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
const LONGEST_LABEL: usize = 63;

const SOMETHING_ELSE: u8 = 0;
const LOWER: u8 = 1;
const UPPER: u8 = 2;
const DIGIT: u8 = 3;
const HYPHEN: u8 = 4;
const DOT: u8 = 5;
/// Other characters of an unquoted local part (`atext` of RFC 5322).
const SIGN: u8 = 6;

const CLASS: [u8; 256] = {
    let mut class = [SOMETHING_ELSE; 256];
    let mut byte = 0;
    while byte < 128 {
        #[expect(clippy::cast_possible_truncation, reason = "below 128")]
        let b = byte as u8;
        class[byte] = match b {
            b'a'..=b'z' => LOWER,
            b'A'..=b'Z' => UPPER,
            b'0'..=b'9' => DIGIT,
            b'-' => HYPHEN,
            b'.' => DOT,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'/' | b'=' | b'?' | b'^' | b'_'
            | b'`' | b'{' | b'|' | b'}' | b'~' => SIGN,
            _ => SOMETHING_ELSE,
        };
        byte += 1;
    }
    class
};

/// What one walk over the bytes can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// A good address, in lower case already.
    Lower,
    /// A good address with capitals.
    Mixed,
    /// Not settled by a walk.
    Unsettled,
}

/// Settles plain ASCII addresses without blanks around them.
pub(super) fn plain(address: &[u8]) -> Plain {
    let Some(at) = address.iter().position(|&b| b == b'@') else { return Plain::Unsettled };
    let (local, domain) = (&address[..at], &address[at + 1..]);
    if local.len() > LONGEST_LOCAL || address.len() > LONGEST {
        return Plain::Unsettled;
    }
    let mut mixed = false;
    let mut before = DOT;
    for &b in local {
        let class = CLASS[usize::from(b)];
        if class == SOMETHING_ELSE || (class == DOT && before == DOT) {
            return Plain::Unsettled;
        }
        mixed |= class == UPPER;
        before = class;
    }
    if before == DOT {
        return Plain::Unsettled;
    }
    before = DOT;
    let (mut label, mut letters, mut dots) = (0_usize, 0_usize, 0_usize);
    for &b in domain {
        let class = CLASS[usize::from(b)];
        match class {
            LOWER | UPPER => {
                letters += 1;
                label += 1;
            }
            DIGIT => label += 1,
            // A doubled hyphen may be punycode, which has rules of its own.
            HYPHEN if before != DOT && before != HYPHEN => label += 1,
            DOT if before != DOT && before != HYPHEN && label <= LONGEST_LABEL => {
                (label, letters) = (0, 0);
                dots += 1;
            }
            _ => return Plain::Unsettled,
        }
        mixed |= class == UPPER;
        before = class;
    }
    let good_end = letters >= 2 && letters == label && label <= LONGEST_LABEL;
    match (dots > 0 && good_end, mixed) {
        (false, _) => Plain::Unsettled,
        (true, false) => Plain::Lower,
        (true, true) => Plain::Mixed,
    }
}

/// The address in a cell, trimmed and in lower case.
///
/// # Errors
/// A complaint that names the rule it breaks, and the character if one is to blame.
pub fn parse_email(text: &str) -> Result<Cow<'_, str>, Complaint> {
    let text = text.trim();
    match plain(text.as_bytes()) {
        Plain::Lower => Ok(Cow::Borrowed(text)),
        Plain::Mixed => Ok(Cow::Owned(text.to_ascii_lowercase())),
        Plain::Unsettled => inspect(text).map(|()| normalize_email(text)),
    }
}

/// Whether a header cell is much rather an address.
pub(super) fn looks_like_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

/// Whether a cell is nothing but something like an address.
pub(super) fn is_bare_email(cell: &str) -> bool {
    let cell = cell.trim();
    looks_like_email(cell) && !cell.contains(char::is_whitespace)
}

fn bad(text: &str, why: &str) -> Complaint {
    Complaint::new(IssueKind::BadEmail, format!("{} is not an email address: {why}", quoted(text)))
}

fn inspect(text: &str) -> Result<(), Complaint> {
    if let Some(c) = text.chars().find(|&c| is_invisible(c) && !matches!(c, '\t' | '\n' | '\r')) {
        return Err(invisible(text, c));
    }
    if let Some(inner) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')).map(|(_, inner)| inner)
    {
        return Err(
            bad(text, "it has a name or brackets around it").hint(format!("write only {}", quoted(inner)))
        );
    }
    if text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("mailto:")) {
        return Err(bad(text, "it is a link").hint(format!("write only {}", quoted(&text[7..]))));
    }
    if text.starts_with('"') {
        return Err(bad(text, "its local part is quoted, which Houston's mail cannot deliver to"));
    }
    let ats = text.matches('@').count();
    if ats > 1 && text.contains([';', ',', '/', ' ', '\n', '\t']) {
        return Err(bad(text, "it holds several addresses").hint("one row per person"));
    }
    if let Some(c) = text.chars().find(|c| c.is_whitespace()) {
        let name = match c {
            ' ' => "a blank",
            '\n' | '\r' => "a line break",
            '\t' => "a tab",
            _ => return Err(bad(text, &format!("it has a blank in it (U+{:04X})", u32::from(c)))),
        };
        return Err(bad(text, &format!("it has {name} in it")));
    }
    if let Some(complaint) = look_alike(text) {
        return Err(complaint);
    }
    let Some((local, domain)) = text.rsplit_once('@') else { return Err(bad(text, "it has no `@`")) };
    if ats > 1 {
        return Err(bad(text, "it has more than one `@`"));
    }
    if text.len() > LONGEST {
        return Err(bad(text, "it is longer than 254 bytes"));
    }
    inspect_domain(text, domain)?;
    let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
    match EmailAddress::parse_with_options(text, options) {
        Ok(_) => Ok(()),
        Err(error) => Err(bad(text, grammar(&error, local))),
    }
}

fn inspect_domain(text: &str, domain: &str) -> Result<(), Complaint> {
    if domain.is_empty() {
        return Err(bad(text, "nothing follows the `@`"));
    }
    if domain.starts_with('[') {
        return Err(bad(text, "its domain is a number, not a name"));
    }
    if domain.starts_with('.') || domain.ends_with('.') || domain.contains("..") {
        return Err(bad(text, "its domain has a dot too many"));
    }
    let Some((_, last)) = domain.rsplit_once('.') else {
        return Err(bad(text, "its domain has no dot").hint("write the whole domain, such as `example.com`"));
    };
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad(text, "its domain ends in a number"));
    }
    let ascii = if domain.is_ascii() && !domain.to_ascii_lowercase().split('.').any(|l| l.starts_with("xn--"))
    {
        Cow::Borrowed(domain)
    } else {
        let ascii = idna::domain_to_ascii_strict(domain);
        Cow::Owned(ascii.map_err(|_| bad(text, "its domain is not a valid international name"))?)
    };
    for label in ascii.split('.') {
        if label.len() > LONGEST_LABEL {
            return Err(bad(text, "a part of its domain is longer than 63 characters"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(bad(text, "a part of its domain begins or ends with a hyphen"));
        }
        if let Some(c) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
            return Err(bad(text, &format!("its domain has {} in it", quoted(&c.to_string()))));
        }
    }
    let top = ascii.rsplit('.').next().unwrap_or_default();
    if top.len() < 2 || (!top.starts_with("xn--") && !top.bytes().all(|b| b.is_ascii_alphabetic())) {
        return Err(bad(text, "its domain does not end in a top-level name").hint("such as `.com` or `.org`"));
    }
    Ok(())
}

fn grammar(error: &Error, local: &str) -> &'static str {
    match error {
        Error::LocalPartEmpty => "nothing stands before the `@`",
        Error::LocalPartTooLong => "the part before the `@` is longer than 64 characters",
        Error::DomainEmpty | Error::DomainTooFew => "its domain is not complete",
        Error::DomainTooLong | Error::SubDomainTooLong => "its domain is too long",
        Error::SubDomainEmpty | Error::DomainInvalidSeparator => "its domain has a dot too many",
        Error::UnbalancedQuotes => "it has a quote in it",
        Error::InvalidComment => "it has a comment in it",
        Error::InvalidIPAddress | Error::UnsupportedDomainLiteral => "its domain is a number, not a name",
        Error::UnsupportedDisplayName | Error::MissingDisplayName | Error::MissingEndBracket => {
            "it has a name or brackets around it"
        }
        Error::MissingSeparator => "it has no `@`",
        Error::InvalidCharacter if local.starts_with('.') || local.ends_with('.') || local.contains("..") => {
            "the part before the `@` has a dot too many"
        }
        Error::InvalidCharacter => "it has a character that an address cannot have",
    }
}

/// Letters of another script that pass for the ones they stand for. Each label is judged by
/// itself: `admin@例え.jp` is honest, although it mixes scripts as a whole.
fn look_alike(text: &str) -> Option<Complaint> {
    if text.is_ascii() {
        return None;
    }
    for label in text.split(['@', '.']).filter(|label| !label.is_ascii()) {
        let letters: String = label.chars().filter(|c| !c.is_ascii() || c.is_ascii_alphabetic()).collect();
        let mixed = letters.as_str().detect_restriction_level() > RestrictionLevel::HighlyRestrictive;
        let twin: String = skeleton(label).collect();
        if mixed || twin.is_ascii() {
            let c = letters.chars().find(|c| !c.is_ascii())?;
            let like: String = skeleton(c.encode_utf8(&mut [0; 4])).collect();
            let what = if like.is_ascii() && !like.is_empty() {
                format!(
                    "{} (U+{:04X}), which is not the letter {}",
                    quoted(&c.to_string()),
                    u32::from(c),
                    quoted(&like)
                )
            } else {
                format!("{} (U+{:04X}) among letters of another script", quoted(&c.to_string()), u32::from(c))
            };
            return Some(
                Complaint::new(IssueKind::LookAlike, format!("{} has {what}", quoted(text)))
                    .hint("type the address anew instead of pasting it"),
            );
        }
    }
    None
}

/// The complaint about a character that cannot be seen.
pub(super) fn invisible(text: &str, c: char) -> Complaint {
    let message = format!("{} has the invisible character U+{:04X} in it", quoted(text), u32::from(c));
    Complaint::new(IssueKind::InvisibleCharacter, message).hint("type it anew instead of pasting it")
}

/// Characters that show nothing and are no blanks: controls, zero-width ones, direction marks.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_addresses_come_back_trimmed_and_in_lower_case() {
        for (text, address) in [
            ("ada@example.com", "ada@example.com"),
            (" Ada.Lovelace+x@Example.CO.uk ", "ada.lovelace+x@example.co.uk"),
            ("o'neil@a-b.example.com", "o'neil@a-b.example.com"),
            ("admin@例え.jp", "admin@例え.jp"),
            ("Jürgen@BÜCHER.de", "jürgen@bücher.de"),
            ("a@xn--bcher-kva.de", "a@xn--bcher-kva.de"),
            ("иван@пример.рф", "иван@пример.рф"),
            ("a@sub.xn--p1ai", "a@sub.xn--p1ai"),
        ] {
            assert_eq!(parse_email(text).as_deref(), Ok(address), "{text}");
        }
    }

    #[test]
    fn bad_addresses_are_told_why() {
        use IssueKind::{BadEmail, InvisibleCharacter, LookAlike};
        for (text, kind, part) in [
            ("ada", BadEmail, "no `@`"),
            ("ada@", BadEmail, "nothing follows"),
            ("@example.com", BadEmail, "nothing stands before"),
            ("ada@localhost", BadEmail, "no dot"),
            ("ada@example.c", BadEmail, "top-level"),
            ("ada@example.123", BadEmail, "ends in a number"),
            ("ada@10.0.0.1", BadEmail, "ends in a number"),
            ("ada@[10.0.0.1]", BadEmail, "a number, not a name"),
            ("ada@example.c0m", BadEmail, "top-level"),
            ("ada..l@example.com", BadEmail, "dot too many"),
            (".ada@example.com", BadEmail, "dot too many"),
            ("ada@example..com", BadEmail, "dot too many"),
            ("ada@-example.com", BadEmail, "hyphen"),
            ("ada@exa_mple.com", BadEmail, "`_`"),
            ("ada lovelace@example.com", BadEmail, "a blank"),
            ("ada\n@example.com", BadEmail, "a line break"),
            ("a@b.example.com;c@example.com", BadEmail, "several"),
            ("a@b@example.com", BadEmail, "more than one"),
            ("Ada <ada@example.com>", BadEmail, "brackets"),
            ("mailto:ada@example.com", BadEmail, "a link"),
            ("\"ada l\"@example.com", BadEmail, "quoted"),
            ("ada@exam\u{200b}ple.com", InvisibleCharacter, "U+200B"),
            ("ada\u{feff}@example.com", InvisibleCharacter, "U+FEFF"),
            ("ada\u{a0}x@example.com", BadEmail, "U+00A0"),
            ("аda@example.com", LookAlike, "U+0430"),
            ("ada@ехаmple.com", LookAlike, "U+0435"),
            ("ada@соса.com", LookAlike, "which is not the letter"),
            ("ada@xn--a.de", BadEmail, "international"),
        ] {
            let complaint = parse_email(text).expect_err(text);
            assert_eq!(complaint.kind, kind, "{text}: {complaint:?}");
            assert!(complaint.message.contains(part), "{text}: {complaint:?}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        assert!(parse_email(&long).unwrap_err().message.contains("longer than 64"));
        let long = format!("a@{}.example.com", "a".repeat(64));
        assert!(parse_email(&long).unwrap_err().message.contains("longer than 63"));
        let long = format!("a@{}com", "abcdefgh.".repeat(30));
        assert!(parse_email(&long).unwrap_err().message.contains("longer than 254"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_quick_walk_accepts_nothing_that_the_whole_grammar_refuses(
            text in r"[a-zA-Z0-9.+_'!~\-]{1,20}@[a-zA-Z0-9.\-]{1,20}\.?[a-z]{0,4}"
        ) {
            if plain(text.as_bytes()) != Plain::Unsettled {
                prop_assert_eq!(inspect(&text), Ok(()));
            }
        }

        #[test]
        fn an_accepted_address_is_its_own_normal_form(text in r"\PC{0,10}[@a-z.]{0,4}\PC{0,10}") {
            if let Ok(address) = parse_email(&text) {
                let again = parse_email(&address).expect("accepted once");
                prop_assert_eq!(again.as_ref(), address.as_ref());
            }
        }
    }
}
