//! Decides whether a cell is an address that Houston can invite.
//!
//! Main function: [`parse_email`]. Texts that mail could be sent to and that no person has, such as
//! a row that was commented out, are refused unless the user [allows](OddAddresses) them. A plain
//! ASCII address is settled by one walk over its bytes; only what that walk does not know goes
//! through the grammar of the RFCs and the Unicode tables.

use std::borrow::Cow;

use email_address::{EmailAddress, Error, Options};
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection, skeleton};

use super::issue::{Complaint, IssueKind, quoted};
pub(super) use crate::model::is_invisible;
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
const UNDERSCORE: u8 = 7;
/// The quote marks among them.
const QUOTE: u8 = 8;

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
            b'_' => UNDERSCORE,
            // Signs that make an address odd are not settled by the walk.
            b'!' | b'&' | b'*' | b'+' | b'=' | b'?' | b'^' | b'~' => SIGN,
            b'\'' | b'`' => QUOTE,
            _ => SOMETHING_ELSE,
        };
        byte += 1;
    }
    class
};

/// What one walk over the bytes can find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// A good address, in lower case already.
    Lower,
    /// A good address with capitals.
    Mixed,
    /// Not settled by a walk.
    Undecided,
}

/// Settles plain ASCII addresses without blanks around them.
pub(super) fn plain(address: &[u8]) -> Plain {
    let Some(at) = address.iter().position(|&b| b == b'@') else { return Plain::Undecided };
    let (local, domain) = (&address[..at], &address[at + 1..]);
    if local.len() > LONGEST_LOCAL || address.len() > LONGEST {
        return Plain::Undecided;
    }
    let mut mixed = false;
    let mut before = DOT;
    for &b in local {
        let class = CLASS[usize::from(b)];
        if class == SOMETHING_ELSE || (class == DOT && before == DOT) {
            return Plain::Undecided;
        }
        mixed |= class == UPPER;
        before = class;
    }
    let begins_well =
        local.first().is_some_and(|&b| matches!(CLASS[usize::from(b)], LOWER | UPPER | DIGIT | UNDERSCORE));
    if !begins_well || matches!(before, DOT | QUOTE) {
        return Plain::Undecided;
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
            _ => return Plain::Undecided,
        }
        mixed |= class == UPPER;
        before = class;
    }
    let good_end = letters >= 2 && letters == label && label <= LONGEST_LABEL;
    match (dots > 0 && good_end, mixed) {
        (false, _) => Plain::Undecided,
        (true, false) => Plain::Lower,
        (true, true) => Plain::Mixed,
    }
}

/// What becomes of addresses that are none in all likelihood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddAddresses {
    /// They are refused.
    Refuse,
    /// They are taken: the user knows them.
    Allow,
}

/// The address in a cell, trimmed and in lower case.
///
/// # Errors
/// A complaint that names the rule it breaks, and the character if one is to blame.
pub fn parse_email(text: &str, odd: OddAddresses) -> Result<Cow<'_, str>, Complaint> {
    let text = text.trim();
    match plain(text.as_bytes()) {
        Plain::Lower => Ok(Cow::Borrowed(text)),
        Plain::Mixed => Ok(Cow::Owned(text.to_ascii_lowercase())),
        Plain::Undecided => inspect(text, odd).map(|()| normalize_email(text)),
    }
}

/// Whether this is an address that is refused unless the user allows [odd](OddAddresses) ones.
pub fn is_odd_email(text: &str) -> bool {
    parse_email(text, OddAddresses::Refuse).is_err() && parse_email(text, OddAddresses::Allow).is_ok()
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

fn inspect(text: &str, odd: OddAddresses) -> Result<(), Complaint> {
    if let Some(complaint) = dressed(text) {
        return Err(complaint);
    }
    if odd == OddAddresses::Refuse
        && let Some(complaint) = oddity(text)
    {
        return Err(complaint);
    }
    let ats = text.matches('@').count();
    if ats > 1 && text.contains([';', ',', '/', '|', '&', '\\', ' ', '\n', '\t']) {
        return Err(bad(text, "it holds several addresses").hint("one row per person"));
    }
    if let Some(c) = text.chars().find(|c| c.is_whitespace()) {
        let name = match c {
            ' ' => "a space",
            '\n' | '\r' => "a line break",
            '\t' => "a tab",
            _ => return Err(bad(text, &format!("it contains a space (U+{:04X})", u32::from(c)))),
        };
        return Err(bad(text, &format!("it contains {name}")));
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
    // A backslash is one of the odd characters, and the grammar has it in quotes only.
    let plain = without_own_marks(&text.replace('\\', "/"));
    match EmailAddress::parse_with_options(&plain, options) {
        Ok(_) => Ok(()),
        Err(error) => Err(foreign_character(text, options)
            .filter(|_| error == Error::InvalidCharacter)
            .unwrap_or_else(|| bad(text, grammar(&error, local)))),
    }
}

/// The text without combining marks that their script cannot do without, which the grammar does not
/// know: those of composed texts, on letters that are not Latin.
fn without_own_marks(text: &str) -> String {
    let is_composed = is_nfc(text);
    let mut before = ' ';
    let mut is_own = |c: char| {
        let is_foreign = !std::mem::replace(&mut before, c).is_ascii();
        is_composed && is_foreign && is_combining_mark(c)
    };
    text.chars().filter(|&c| !is_own(c)).collect()
}

/// The complaint about the first character that no address can have.
fn foreign_character(text: &str, options: Options) -> Option<Complaint> {
    let is_foreign = |&(_, c): &(usize, char)| {
        let alone = format!("a{c}a@example.com");
        !matches!(c, '@' | '.' | '\\') && EmailAddress::parse_with_options(&alone, options).is_err()
    };
    let foreign = || text.chars().enumerate().filter(is_foreign);
    let (position, c) = foreign().find(|&(_, c)| !is_combining_mark(c)).or_else(|| foreign().next())?;
    let (code, position) = (u32::from(c), position + 1);
    if !is_combining_mark(c) {
        let c = quoted(&c.to_string());
        return Some(bad(text, &format!("it has {c} (U+{code:04X}) in position {position}")));
    }
    let complaint = bad(text, &format!("it has U+{code:04X}, a combining mark, in position {position}"));
    let composed: String = text.nfc().collect();
    let is_good = composed != text && inspect(&composed, OddAddresses::Allow).is_ok();
    Some(if is_good {
        complaint.hint(format!("type {} instead of pasting it", quoted(&composed)))
    } else {
        complaint
    })
}

/// What is wrong with an address that has something around it, or in it, which cannot be seen.
fn dressed(text: &str) -> Option<Complaint> {
    let unseen = |&(_, c): &(usize, char)| is_invisible(c) && !matches!(c, '\t' | '\n' | '\r');
    if let Some((index, c)) = text.chars().enumerate().find(unseen) {
        return Some(invisible(text, index, c));
    }
    if let Some(inner) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')).map(|(_, inner)| inner)
    {
        let complaint = bad(text, "it has a name or brackets around it");
        return Some(complaint.hint(format!("write only {}", quoted(inner))));
    }
    if text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("mailto:")) {
        return Some(bad(text, "it is a link").hint(format!("write only {}", quoted(&text[7..]))));
    }
    let is_quoted = text.strip_prefix('"').is_some_and(|rest| rest.contains("\"@"));
    is_quoted.then(|| bad(text, "its local part is quoted, which Houston's mail cannot deliver to"))
}

/// What a text in the form of an address that belongs to no person is meant to be.
fn oddity(text: &str) -> Option<Complaint> {
    let (local, _) = text.split_once('@').filter(|(local, _)| !local.is_empty())?;
    let odd = |why: &str, hint: &str| {
        let complaint = Complaint::new(IssueKind::OddAddress, format!("{} {why}", quoted(text)));
        Some(complaint.hint(if inspect(text, OddAddresses::Allow).is_ok() {
            format!("{hint}; if the address is right, pass --allow-odd-addresses")
        } else {
            hint.to_owned()
        }))
    };
    if let Some(c) = text.chars().find(|&c| changes_in_lower_case(c)) {
        let lower: Vec<_> = c.to_lowercase().map(|c| format!("U+{:04X}", u32::from(c))).collect();
        let why = format!(
            "has {} (U+{:04X}), which becomes another letter in lower case ({}): a different address",
            quoted(&c.to_string()),
            u32::from(c),
            lower.join(" ")
        );
        return odd(&why, "write the address in lower case, as its owner does");
    }
    if text.rsplit_once('@').is_some_and(|(before, _)| before.to_ascii_uppercase().contains("#EXT#")) {
        return odd(
            "is the sign-in name of a guest, which receives no mail",
            "write the guest's own email address",
        );
    }
    if local.split_once('#').is_some_and(|(provider, _)| inspect_domain(text, provider).is_ok()) {
        return odd(
            "looks like the sign-in name of a guest: a domain, `#` and an address",
            "write only the address",
        );
    }
    if local.starts_with(['#', ';']) || local.starts_with("//") || local.starts_with("--") {
        return odd("looks commented out", "remove the row, or the sign before the address");
    }
    if is_quote(text.chars().next()?) || local.ends_with(is_quote) || text.ends_with(is_quote) {
        return odd("has a quote mark at an end, which belongs to no address", "remove the quote mark");
    }
    if text.contains(['{', '}', '$', '%']) {
        return odd("looks like a template that was not filled in", "write the address of a person");
    }
    if let Some(sign) = local.chars().find(|c| matches!(c, '|' | '/' | '\\')) {
        let why =
            format!("has {} in its name: two names, or a domain and a name?", quoted(&sign.to_string()));
        return odd(&why, "write one row per person, with nothing but the address");
    }
    let first = local.chars().next()?;
    // The grammar has its own message for a dot.
    if is_letter_or_digit(first) || matches!(first, '_' | '.') {
        return None;
    }
    let why = match first {
        '=' => "looks like the remains of a formula",
        '-' | '+' | '*' | '•' | '·' | '–' | '—' => "begins with a sign, like an item of a list",
        _ => "begins with neither a letter nor a digit",
    };
    odd(why, "remove the sign before the address")
}

/// Whether a capital becomes something else than the same letter in lower case.
fn changes_in_lower_case(c: char) -> bool {
    let mut lower = c.to_lowercase();
    let first = lower.next();
    !c.is_ascii() && (lower.next().is_some() || first.is_some_and(|lower| lower.is_ascii()))
}

/// A letter of any script, or a decimal digit; numbers in circles and the like are none.
fn is_letter_or_digit(c: char) -> bool {
    c.is_alphabetic() || c.is_ascii_digit() || (c.is_numeric() && std::iter::once(c).nfkc().eq([c]))
}

fn is_quote(c: char) -> bool {
    matches!(c, '\'' | '"' | '`' | '´' | '«' | '»' | '\u{2018}'..='\u{201F}' | '\u{2032}'..='\u{2037}'
        | '\u{2039}' | '\u{203A}' | '\u{300C}'..='\u{300F}' | '\u{301D}'..='\u{301F}' | '\u{FF02}' | '\u{FF07}')
}

fn inspect_domain(text: &str, domain: &str) -> Result<(), Complaint> {
    if domain.is_empty() {
        return Err(bad(text, "nothing follows the `@`"));
    }
    if domain.starts_with('[') {
        return Err(bad(text, "its domain is a number, not a name"));
    }
    if domain.starts_with('.') || domain.ends_with('.') || domain.contains("..") {
        return Err(bad(text, "its domain has an extra dot"));
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
        Error::LocalPartEmpty => "nothing comes before the `@`",
        Error::LocalPartTooLong => "the part before the `@` is longer than 64 characters",
        Error::DomainEmpty | Error::DomainTooFew => "its domain is not complete",
        Error::DomainTooLong | Error::SubDomainTooLong => "its domain is too long",
        Error::SubDomainEmpty | Error::DomainInvalidSeparator => "its domain has an extra dot",
        Error::UnbalancedQuotes => "it has a quote in it",
        Error::InvalidComment => "it has a comment in it",
        Error::InvalidIPAddress | Error::UnsupportedDomainLiteral => "its domain is a number, not a name",
        Error::UnsupportedDisplayName | Error::MissingDisplayName | Error::MissingEndBracket => {
            "it has a name or brackets around it"
        }
        Error::MissingSeparator => "it has no `@`",
        Error::InvalidCharacter if local.starts_with('.') || local.ends_with('.') || local.contains("..") => {
            "the part before the `@` has an extra dot"
        }
        Error::InvalidCharacter => "it has a character that an address cannot have",
    }
}

/// Letters of another script that pass for the ones they stand for. Each label is judged by
/// itself: `admin@例え.jp` is honest, although it mixes scripts as a whole. A label whose letters all
/// look like Latin ones is suspicious beside Latin ones only: `ΑΝΝΑ@example.com` is honest.
fn look_alike(text: &str) -> Option<Complaint> {
    if text.is_ascii() {
        return None;
    }
    let (local, domain) = text.rsplit_once('@').unwrap_or((text, ""));
    let has_latin = |text: &str| text.contains(|c: char| c.is_ascii_alphabetic());
    let sides = [(local, has_latin(local)), (domain, has_latin(domain) && local.is_ascii())];
    let labels = sides.iter().flat_map(|&(side, latin)| side.split('.').map(move |label| (label, latin)));
    for (label, is_beside_latin) in labels.filter(|(label, _)| !label.is_ascii()) {
        let letters: String = label.chars().filter(|c| !c.is_ascii() || c.is_ascii_alphabetic()).collect();
        let mixed = letters.as_str().detect_restriction_level() > RestrictionLevel::HighlyRestrictive;
        let twin: String = skeleton(label).collect();
        if mixed || (is_beside_latin && twin.is_ascii()) {
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
                    .hint("type the address again instead of pasting it"),
            );
        }
    }
    None
}

/// The complaint about an invisible character; `index` counts from 0.
pub(super) fn invisible(text: &str, index: usize, c: char) -> Complaint {
    let message = format!(
        "{} has the invisible character U+{:04X} in it, in position {}",
        quoted(text),
        u32::from(c),
        index + 1
    );
    Complaint::new(IssueKind::InvisibleCharacter, message).hint("type it again instead of pasting it")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn strict(text: &str) -> Result<Cow<'_, str>, Complaint> {
        parse_email(text, OddAddresses::Refuse)
    }

    #[test]
    fn what_is_no_persons_address_is_named_as_what_it_is_and_can_be_allowed() {
        for (text, part) in [
            ("#nora@example.com", "commented out"),
            ("//nora@example.com", "commented out"),
            (";nora@example.com", "commented out"),
            ("--nora@example.com", "commented out"),
            ("+nora@example.com", "a sign"),
            ("-nora@example.com", "a sign"),
            ("*nora@example.com", "a sign"),
            ("•nora@example.com", "a sign"),
            ("=nora@example.com", "formula"),
            ("①nora@example.com", "neither a letter nor a digit"),
            ("!nora@example.com", "neither a letter nor a digit"),
            ("'nora@example.com", "quote mark"),
            ("`nora@example.com", "quote mark"),
            ("nora'@example.com", "quote mark"),
            ("nora`@example.com", "quote mark"),
            ("’nora@example.com", "quote mark"),
            ("nora”@example.com", "quote mark"),
            ("${OWNER}@example.com", "template"),
            ("{user}@example.com", "template"),
            ("a%name%@example.com", "template"),
            ("nora$@example.com", "template"),
            ("nora|omar@example.com", "two names"),
            ("nora/omar@example.com", "two names"),
            ("corp\\nora@example.com", "two names"),
            ("nora_x.example#EXT#@tenant.example.com", "guest"),
            ("nora_x.example#ext#@tenant.example.com", "guest"),
            ("live.com#nora@example.com", "guest"),
            ("mail.example.com#nora.falk@tenant.example.com", "guest"),
            ("AL\u{130}@example.com", "U+0130"),
            ("AL\u{212A}@example.com", "U+212A"),
            ("ann@\u{130}x.example", "U+0130"),
        ] {
            let complaint = strict(text).expect_err(text);
            assert_eq!(complaint.kind, IssueKind::OddAddress, "{text}: {complaint:?}");
            assert!(complaint.message.contains(part), "{text}: {complaint:?}");
            if text.is_ascii() && !text.starts_with(';') {
                assert!(
                    complaint.hint.as_deref().unwrap().contains("--allow-odd-addresses"),
                    "{complaint:?}"
                );
                let allowed = parse_email(text, OddAddresses::Allow);
                assert_eq!(allowed.as_deref(), Ok(text.to_lowercase().as_str()), "{text}");
                assert!(is_odd_email(text), "{text}");
            }
        }
        for (text, part) in [
            ("nora@example.com#EXT#@tenant.example.com", "guest"),
            ("nora@{{ domain }}", "template"),
            ("nora@${DOMAIN}", "template"),
            ("# nora@example.com", "commented out"),
        ] {
            let complaint = strict(text).expect_err(text);
            assert!(complaint.message.contains(part), "{complaint:?}");
            assert!(!complaint.hint.unwrap().contains("--allow-odd"), "the flag would not help: {text}");
        }
        for text in ["'nora@example.com'", "\"nora@example.com", "nora@example.com`"] {
            assert!(strict(text).unwrap_err().message.contains("quote mark"), "{text}");
            assert!(!is_odd_email(text), "{text}");
        }
        assert!(!is_odd_email("nora@example.com") && !is_odd_email("nora"));
    }

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
            ("_svc-deploy@example.com", "_svc-deploy@example.com"),
            ("007@example.com", "007@example.com"),
            ("٣@example.com", "٣@example.com"),
            ("nora.falk+airflow@example.com", "nora.falk+airflow@example.com"),
            ("ΑΝΝΑ@example.com", "αννα@example.com"),
            ("αννα@example.com", "αννα@example.com"),
            ("АННА@example.com", "анна@example.com"),
            ("ΑΝΝΑ@παράδειγμα.example", "αννα@παράδειγμα.example"),
            ("асс@соса.рф", "асс@соса.рф"),
            ("Оса2.Хор@пример.рф", "оса2.хор@пример.рф"),
            ("ՏՕՏ@example.com", "տօտ@example.com"),
            ("jos\u{E9}@example.com", "jos\u{E9}@example.com"),
            ("अक्षय@example.com", "अक्षय@example.com"),
            ("a~b=c!d#e@example.com", "a~b=c!d#e@example.com"),
            ("nora#2.b@example.com", "nora#2.b@example.com"),
            ("d'arcy.o'shea@example.com", "d'arcy.o'shea@example.com"),
        ] {
            assert_eq!(strict(text).as_deref(), Ok(address), "{text}");
        }
    }

    #[test]
    fn bad_addresses_get_a_reason() {
        use IssueKind::{BadEmail, InvisibleCharacter, LookAlike};
        for (text, kind, part) in [
            ("ada", BadEmail, "no `@`"),
            ("ada@", BadEmail, "nothing follows"),
            ("@example.com", BadEmail, "nothing comes before"),
            ("ada@localhost", BadEmail, "no dot"),
            ("ada@example.c", BadEmail, "top-level"),
            ("ada@example.123", BadEmail, "ends in a number"),
            ("ada@10.0.0.1", BadEmail, "ends in a number"),
            ("ada@[10.0.0.1]", BadEmail, "a number, not a name"),
            ("ada@example.c0m", BadEmail, "top-level"),
            ("ada..l@example.com", BadEmail, "extra dot"),
            (".ada@example.com", BadEmail, "extra dot"),
            ("ada@example..com", BadEmail, "extra dot"),
            ("ada@-example.com", BadEmail, "hyphen"),
            ("ada@exa_mple.com", BadEmail, "`_`"),
            ("ada lovelace@example.com", BadEmail, "a space"),
            ("ada\n@example.com", BadEmail, "a line break"),
            ("a@b.example.com;c@example.com", BadEmail, "several"),
            ("a@b@example.com", BadEmail, "more than one"),
            ("a@b.example.com|c@example.com", BadEmail, "several"),
            ("Ada <ada@example.com>", BadEmail, "brackets"),
            ("mailto:ada@example.com", BadEmail, "a link"),
            ("\"ada l\"@example.com", BadEmail, "quoted"),
            ("ada@exam\u{200b}ple.com", InvisibleCharacter, "U+200B"),
            ("ada\u{feff}@example.com", InvisibleCharacter, "U+FEFF"),
            ("ada\u{a0}x@example.com", BadEmail, "U+00A0"),
            ("аda@example.com", LookAlike, "U+0430"),
            ("ada@ехаmple.com", LookAlike, "U+0435"),
            ("ada@соса.com", LookAlike, "which is not the letter"),
            ("а.lovelace@example.com", LookAlike, "U+0430"),
            ("ada.а@example.com", LookAlike, "U+0430"),
            ("ΑNNA@example.com", LookAlike, "U+0391"),
            ("jose\u{301}@example.com", BadEmail, "U+0301, a combining mark, in position 5"),
            ("и\u{306}од@example.com", BadEmail, "U+0306, a combining mark, in position 2"),
            ("q\u{302}x@example.com", BadEmail, "U+0302, a combining mark, in position 2"),
            ("u\u{308}te@example.com", BadEmail, "U+0308, a combining mark, in position 2"),
            ("ann[x@example.com", BadEmail, "`[` (U+005B) in position 4"),
            ("ada@xn--a.de", BadEmail, "international"),
        ] {
            let complaint = strict(text).expect_err(text);
            assert_eq!(complaint.kind, kind, "{text}: {complaint:?}");
            assert!(complaint.message.contains(part), "{text}: {complaint:?}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        assert!(strict(&long).unwrap_err().message.contains("longer than 64"));
        let long = format!("a@{}.example.com", "a".repeat(64));
        assert!(strict(&long).unwrap_err().message.contains("longer than 63"));
        let long = format!("a@{}com", "abcdefgh.".repeat(30));
        assert!(strict(&long).unwrap_err().message.contains("longer than 254"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_quick_walk_accepts_nothing_that_the_whole_grammar_refuses(
            text in r"[a-zA-Z0-9.+_'!~\-]{1,20}@[a-zA-Z0-9.\-]{1,20}\.?[a-z]{0,4}"
        ) {
            if plain(text.as_bytes()) != Plain::Undecided {
                prop_assert_eq!(inspect(&text, OddAddresses::Refuse), Ok(()));
            }
        }

        #[test]
        fn an_accepted_address_is_its_own_normal_form(text in r"\PC{0,10}[@a-z.]{0,4}\PC{0,10}") {
            if let Ok(address) = strict(&text) {
                let again = strict(&address).expect("accepted once");
                prop_assert_eq!(again.as_ref(), address.as_ref());
            }
        }
    }
}
