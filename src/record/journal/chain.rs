//! The chain over the lines of a journal: each line ends with a digest that covers it and every line before
//! it, so that nothing can be changed, cut out or inserted without breaking the chain from there on.
//!
//! Main types: [`Chain`] and its values, [`Link`]. They read and write no file.
//!
//! A line is a JSON object whose last member is `"chain":"<64 lower-case hexadecimal digits>"`, and a line
//! feed. Its **body** is the same line without that member, the comma before it and the line feed: it still
//! ends with the closing brace. Then, over bytes:
//!
//! ```text
//! chain of line 1 = SHA-256(body of line 1)
//! chain of line n = SHA-256(chain of line n-1, as its 64 digits, followed by the body of line n)
//! ```
//!
//! The first line is the header, which has the digests of `roster.csv` and `plan.jsonl`: the chain covers
//! them too. With `--audit-key-file` it is HMAC-SHA-256 with that key instead, over the same bytes. The key
//! is the content of the file without line breaks at its end. An auditor needs nothing of this program:
//!
//! ```python
//! import hashlib
//! chain = b""
//! for number, line in enumerate(open("journal.jsonl", "rb"), 1):
//!     body, value = line[:-77] + b"}", line[-67:-3]
//!     chain = hashlib.sha256(chain + body).hexdigest().encode()  # hmac.digest(key, chain + body, "sha256").hex()
//!     assert chain == value, f"journal.jsonl:{number}"
//! ```
//!
//! What this proves: with a key, that whoever wrote the lines had it. Without one, anybody who may write the
//! folder can make a whole chain anew; then the last value has to be kept elsewhere. A journal that ends too
//! early is a valid shorter one, with or without a key: only `summary.json`, which has the last value and the
//! number of lines, or a value kept elsewhere shows that lines are missing at the end.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What stands before the digits at the end of a line.
const MEMBER: &[u8] = b",\"chain\":\"";
/// What stands behind them.
const END: &[u8] = b"\"}\n";
/// How many digits there are.
const DIGITS: usize = 64;

/// How the values of a chain are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ChainKind {
    /// SHA-256: everybody can check it, and everybody can make one.
    #[default]
    #[serde(rename = "sha256")]
    Sha256,
    /// HMAC-SHA-256: who checks it, or makes one, needs the key.
    #[serde(rename = "hmac_sha256")]
    HmacSha256,
}

/// A secret key for the chain. It is never shown or written.
#[derive(Clone)]
pub struct AuditKey(Hmac<Sha256>);

impl AuditKey {
    /// A key of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Hmac::new_from_slice(bytes).expect("HMAC takes keys of every length"))
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey(***)")
    }
}

/// One value of a chain, as the digits that stand in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Link([u8; DIGITS]);

impl Link {
    fn of(digest: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(digest) {
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        Self(digits)
    }

    /// The value that these digits are; none if they are no value.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        digits.try_into().ok().filter(|digits: &[u8; DIGITS]| digits.iter().all(is_digit)).map(Self)
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits")
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({self})")
    }
}

/// A chain as far as it goes.
#[derive(Debug, Clone)]
pub struct Chain {
    key: Option<AuditKey>,
    head: Option<Link>,
}

impl Chain {
    /// A chain that goes on behind this value; from its beginning without one.
    pub fn new(key: Option<AuditKey>, head: Option<Link>) -> Self {
        Self { key, head }
    }

    /// How its values are made.
    pub fn kind(&self) -> ChainKind {
        if self.key.is_some() { ChainKind::HmacSha256 } else { ChainKind::Sha256 }
    }

    /// Goes on by a line, given as the parts of its body.
    pub fn extend(&mut self, body: &[&[u8]]) -> Link {
        let before = self.head.as_ref().map(|link| &link.0[..]);
        let parts = before.into_iter().chain(body.iter().copied());
        let link = match &self.key {
            None => {
                let mut hash = Sha256::new();
                parts.for_each(|part| hash.update(part));
                Link::of(&hash.finalize())
            }
            Some(AuditKey(keyed)) => {
                let mut mac = keyed.clone();
                parts.for_each(|part| mac.update(part));
                Link::of(&mac.finalize().into_bytes())
            }
        };
        self.head = Some(link);
        link
    }

    /// Writes a line: this JSON object with the next value of the chain.
    pub fn seal(&mut self, object: &str, out: &mut Vec<u8>) {
        let link = self.extend(&[object.as_bytes()]);
        let open = object.strip_suffix('}').unwrap_or(object);
        [open.as_bytes(), MEMBER, &link.0, END].into_iter().for_each(|part| out.extend_from_slice(part));
    }
}

/// A line of a journal without its value, and that value; none if it has none.
pub fn split(line: &[u8]) -> Option<([&[u8]; 2], Link)> {
    let line = line.strip_suffix(END)?;
    let (open, digits) = line.split_at_checked(line.len().checked_sub(DIGITS)?)?;
    Some(([open.strip_suffix(MEMBER)?, b"}"], Link::parse(digits)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(key: Option<AuditKey>) -> String {
        let mut chain = Chain::new(key, None);
        let mut out = Vec::new();
        [r#"{"entry":"header"}"#, r#"{"a":1}"#].iter().for_each(|line| chain.seal(line, &mut out));
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn the_values_are_those_of_the_tools_of_an_auditor() {
        // printf '%s' '{"entry":"header"}' | sha256sum, and so on with the digits before the next body.
        let expected = [
            r#"{"entry":"header","chain":"eb54f6a8165426ee2d1011399e15a9098c6cf5d067bf25462b6697f4286637ee"}"#,
            r#"{"a":1,"chain":"f10f3c0e72e2efc144a43f9a53314bb571aa005d73dbfe564934c039acb64ca9"}"#,
        ];
        assert_eq!(lines(None).lines().collect::<Vec<_>>(), expected);
        // The same with `openssl dgst -sha256 -mac HMAC -macopt key:...`.
        let expected = [
            r#"{"entry":"header","chain":"725a028c81e1ca612f62cdcb41f914497a92f2b4772e890a435451ad5571ce52"}"#,
            r#"{"a":1,"chain":"c17613c3b873007487c7aeb9eb474aac873bd9e840481110efad2cdabd88b1d0"}"#,
        ];
        let keyed = lines(Some(AuditKey::new(b"a key of an auditor")));
        assert_eq!(keyed.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_line_is_split_where_it_was_joined() {
        for key in [None, Some(AuditKey::new(b"a key of an auditor"))] {
            let text = lines(key.clone());
            let mut chain = Chain::new(key, None);
            for line in text.split_inclusive('\n') {
                let (body, link) = split(line.as_bytes()).expect("a line of ours");
                assert_eq!(chain.extend(&body), link);
            }
        }
    }

    #[test]
    fn what_has_no_value_at_its_end_is_no_line_of_a_chain() {
        let good = lines(None);
        let good = good.lines().next().expect("a line");
        let upper = good.replace('b', "B");
        for bad in ["", "\n", "{}\n", good, &format!("{good} \n"), &format!("{upper}\n")] {
            assert!(split(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(split(format!("{good}\n").as_bytes()).is_some());
    }

    #[test]
    fn a_key_makes_another_chain_and_is_never_shown() {
        let key = AuditKey::new(b"a key of an auditor");
        assert_ne!(lines(Some(key.clone())), lines(None));
        assert_ne!(lines(Some(key.clone())), lines(Some(AuditKey::new(b"another key"))));
        assert_eq!(format!("{key:?}"), "AuditKey(***)");
    }
}
