//! Removes a secret from a foreign text that repeats it, in any encoding below.
//!
//! Main type: [`Needles`]. It knows the escapes of JSON, of URLs and of HTML, also several times
//! over, and base64. It cannot find a secret that is split or encrypted.

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// What replaces it.
const MASK: &[u8] = b"[token]";
/// Secrets shorter than this have no base64 of their own.
const SHORTEST: usize = 8;
/// A text up to this length is kept where the secret is hidden in it; a longer one is dropped whole.
const LONGEST: usize = 1024 * 1024;

/// Which escapes are taken for what they stand for.
#[derive(Debug, Clone, Copy)]
struct Escapes {
    json: bool,
    url: bool,
    html: bool,
}

/// A text is read in each of these ways: `%4` before a secret must not hide its first letter from a
/// reader of JSON.
const READINGS: [Escapes; 4] = [
    Escapes { json: true, url: false, html: false },
    Escapes { json: false, url: true, html: false },
    Escapes { json: false, url: false, html: true },
    Escapes { json: true, url: true, html: true },
];

/// The spellings of a secret.
pub(super) struct Needles<'s> {
    plain: &'s str,
    encoded: Vec<String>,
}

impl<'s> Needles<'s> {
    /// Gets ready to look for this secret.
    pub(super) fn new(secret: &'s str) -> Self {
        let mut encoded = Vec::new();
        if secret.len() >= SHORTEST {
            for lead in 0..3 {
                for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
                    encoded.push(base64_within(&engine, secret, lead));
                }
            }
            encoded.dedup();
        }
        Self { plain: secret, encoded }
    }

    /// The text without the secret.
    pub(super) fn scrub(&self, text: Vec<u8>) -> Vec<u8> {
        let text = self.without_literal(text);
        if !text.iter().any(|byte| matches!(byte, b'\\' | b'%' | b'&')) {
            return text;
        }
        READINGS.iter().fold(text, |text, escapes| {
            let decoded = decoded(&text, *escapes);
            let decoded = String::from_utf8_lossy(&decoded);
            if !self.all().any(|needle| decoded.contains(needle)) {
                return text;
            }
            if text.len() > LONGEST {
                return MASK.to_vec();
            }
            self.all().fold(text, |text, needle| without_escaped(&text, needle.as_bytes(), *escapes))
        })
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.plain).chain(self.encoded.iter().map(String::as_str))
    }

    fn without_literal(&self, text: Vec<u8>) -> Vec<u8> {
        let lossy = String::from_utf8_lossy(&text);
        if !self.all().any(|needle| lossy.contains(needle)) {
            return text;
        }
        let mask = String::from_utf8_lossy(MASK);
        self.all().fold(lossy.into_owned(), |text, needle| text.replace(needle, &mask)).into_bytes()
    }
}

/// The part of the base64 of a text that does not depend on what surrounds the secret,
/// which begins `lead` bytes after a group of three.
fn base64_within(engine: &impl base64::Engine, secret: &str, lead: usize) -> String {
    let bytes = [&[0; 2][..lead], secret.as_bytes()].concat();
    let letters = engine.encode(&bytes);
    let (start, end) = ((lead * 8).div_ceil(6), bytes.len() * 8 / 6);
    letters[start..end].to_owned()
}

/// The bytes with every escape of an ASCII character taken for that character.
fn decoded(text: &[u8], escapes: Escapes) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let (byte, length) = unit(&text[at..], escapes);
        plain.push(byte);
        at += length;
    }
    plain
}

fn without_escaped(text: &[u8], needle: &[u8], escapes: Escapes) -> Vec<u8> {
    let mut clean = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if let Some(length) = length_of(&text[at..], needle, escapes) {
            clean.extend_from_slice(MASK);
            at += length;
        } else {
            clean.push(text[at]);
            at += 1;
        }
    }
    clean
}

/// The length of the needle at the start of a text, if it occurs.
fn length_of(text: &[u8], needle: &[u8], escapes: Escapes) -> Option<usize> {
    let mut at = 0;
    for &wanted in needle {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let (byte, length) = unit(rest, escapes);
        if byte != wanted {
            return None;
        }
        at += length;
    }
    Some(at)
}

/// The first character of a text that is not empty, and how many bytes it takes.
fn unit(text: &[u8], escapes: Escapes) -> (u8, usize) {
    let found = match text[0] {
        b'\\' if escapes.json => backslash(text),
        b'%' if escapes.url => percent(text),
        b'&' if escapes.html => entity(text),
        _ => None,
    };
    found.unwrap_or((text[0], 1))
}

/// `\u0041`, `\x41` and `\/`, with any number of backslashes: a JSON text in a JSON text has more.
fn backslash(text: &[u8]) -> Option<(u8, usize)> {
    let slashes = text.iter().take_while(|&&byte| byte == b'\\').count();
    let (digits, from) = match text.get(slashes)? {
        b'/' => return Some((b'/', slashes + 1)),
        b'u' | b'U' => (4, slashes + 1),
        b'x' | b'X' => (2, slashes + 1),
        _ => return None,
    };
    Some((hexadecimal(text.get(from..from + digits)?)?, from + digits))
}

/// `%41`, and `%2541`, which is the same once more.
fn percent(text: &[u8]) -> Option<(u8, usize)> {
    let mut from = 1;
    while text.get(from..from + 2) == Some(b"25") && text.len() > from + 2 {
        from += 2;
    }
    let value = |from| Some((hexadecimal(text.get(from..from + 2)?)?, from + 2));
    value(from).or_else(|| if from > 1 { value(from - 2) } else { None })
}

/// `&#65;`, `&#x41;`, and the same with `&amp;` for the ampersand.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    let mut from = 1;
    while text.get(from..from + 4) == Some(b"amp;") {
        from += 4;
    }
    if text.get(from) != Some(&b'#') {
        return None;
    }
    from += 1;
    let is_hexadecimal = matches!(text.get(from), Some(b'x' | b'X'));
    from += usize::from(is_hexadecimal);
    let radix = if is_hexadecimal { 16 } else { 10 };
    let digits = text[from..].iter().take(8).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let number = std::str::from_utf8(&text[from..from + digits]).ok()?;
    let value = u32::from_str_radix(number, radix).ok()?;
    let end = from + digits;
    let end = end + usize::from(text.get(end) == Some(&b';'));
    Some((u8::try_from(value).ok().filter(u8::is_ascii)?, end))
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let is_hexadecimal = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_hexadecimal)?;
    u8::try_from(u32::from_str_radix(text, 16).ok()?).ok().filter(u8::is_ascii)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "eyJh.bGci/Oi_J9-x";

    fn scrubbed(text: &str) -> String {
        String::from_utf8(Needles::new(SECRET).scrub(text.into())).unwrap()
    }

    fn written(escape: impl Fn(usize, char) -> String) -> String {
        SECRET.chars().enumerate().fold(String::new(), |mut text, (at, c)| {
            write!(text, "{}", escape(at, c)).unwrap();
            text
        })
    }

    #[test]
    fn a_secret_is_found_in_every_escape() {
        let code = |c: char| u32::from(c);
        for text in [
            SECRET.to_owned(),
            SECRET.replace('/', "\\/"),
            written(|_, c| format!("\\u{:04x}", code(c))),
            written(|_, c| format!("\\u{:04X}", code(c))),
            written(|at, c| if at == 3 { format!("\\u{:04x}", code(c)) } else { c.to_string() }),
            written(|_, c| format!("\\\\u{:04x}", code(c))),
            written(|_, c| format!("%{:02X}", code(c))),
            written(|at, c| if at % 2 == 0 { format!("%25{:02x}", code(c)) } else { c.to_string() }),
            written(|_, c| format!("&#{};", code(c))),
            written(|_, c| format!("&amp;#x{:X};", code(c))),
            BASE64_STANDARD.encode(SECRET),
        ] {
            // An escape that begins before it takes nothing away from it.
            assert!(!scrubbed(&format!("%4{text}")).contains(&text), "{text}");
            let (clean, around) = (scrubbed(&text), scrubbed(&format!("{{\"a\":\"é {text} %\"}}")));
            assert!(clean.starts_with("[token]") && !clean.contains("GVK"), "{text}: {clean}");
            assert!(around.starts_with("{\"a\":\"é [token]") && around.ends_with(" %\"}"), "{around}");
        }
        for user in ["", "u:", "me:", "admin:"] {
            let header = BASE64_STANDARD.encode(format!("{user}{SECRET}:more"));
            assert!(scrubbed(&format!("Basic {header}.")).contains("[token]"), "{user}");
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for text in ["", "\\", "%", "&", "\\u", "%2", "&#", "&#x;", "100 %25", "\\u00e9\\/", "&amp;amp;#999;"]
        {
            assert_eq!(scrubbed(text), text);
        }
        let long = format!("{}{}", "\\n".repeat(LONGEST), SECRET.replace('/', "\\/"));
        assert_eq!(scrubbed(&long), "[token]");
        assert_eq!(Needles::new("abc").scrub(b"\xFF abc".to_vec()), "\u{fffd} [token]".as_bytes());
    }

    proptest! {
        #[test]
        fn whatever_it_stands_in_it_is_never_left(before in ".{0,20}", after in ".{0,20}", ways: Vec<u8>) {
            let secret = written(|at, c| match ways.get(at).map(|way| way % 4) {
                Some(0) => format!("\\u{:04x}", u32::from(c)),
                Some(1) => format!("%{:02x}", u32::from(c)),
                Some(2) => format!("&#{};", u32::from(c)),
                Some(_) | None => c.to_string(),
            });
            let clean = scrubbed(&format!("{before}{secret}{after}"));
            for escapes in READINGS {
                let plain = decoded(clean.as_bytes(), escapes);
                prop_assert!(!String::from_utf8_lossy(&plain).contains(SECRET));
            }
        }
    }
}
