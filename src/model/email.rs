//! Addresses: how they are written, how they are compared, and how a million of them are kept.

use std::borrow::Cow;

use super::ItemId;

/// An address as it is written everywhere: trimmed and in lower case. Addresses are compared by
/// their [`email_key`].
pub fn normalize_email(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let plain = |b: u8| b.is_ascii() && !b.is_ascii_uppercase();
    if text.bytes().all(plain) { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// The form in which addresses are compared: `ann@münchen.example` and its punycode are one person.
/// Takes a [normal](normalize_email) address or a user name.
pub fn email_key(email: &str) -> Cow<'_, str> {
    let Some((local, domain)) = email.rsplit_once('@') else { return Cow::Borrowed(email) };
    match domain_key(domain) {
        Cow::Owned(domain) => Cow::Owned(format!("{local}@{domain}")),
        Cow::Borrowed(_) => Cow::Borrowed(email),
    }
}

/// The form in which domains are compared: lower case and ASCII.
pub fn domain_key(domain: &str) -> Cow<'_, str> {
    if domain.is_ascii() {
        return Cow::Borrowed(domain);
    }
    idna::domain_to_ascii(domain).map_or(Cow::Borrowed(domain), Cow::Owned)
}

/// The same address with its international domain in the other one of the two forms it has; none
/// where the domain has one form only.
pub fn other_spelling(email: &str) -> Option<String> {
    let (local, domain) = email.rsplit_once('@')?;
    let other = if domain.is_ascii() {
        let (unicode, valid) = idna::domain_to_unicode(domain);
        valid.ok().map(|()| unicode)?
    } else {
        idna::domain_to_ascii(domain).ok()?
    };
    (other != domain).then(|| format!("{local}@{other}"))
}

/// The addresses of a roster, one per row, in one block of memory: a million of them cost little
/// more than their letters.
#[derive(Debug, Default, Clone)]
pub struct Emails {
    text: String,
    ends: Vec<u32>,
    /// Where the file spells an address otherwise than it is compared: the row's index and the
    /// spelling, by row.
    spellings: Vec<(u32, Box<str>)>,
}

impl Emails {
    /// Adds the [normal](normalize_email) address of the next row; an empty text for a row without
    /// a valid one.
    ///
    /// # Panics
    /// At 4 GiB of addresses, which the roster reader's row limit excludes.
    pub fn push(&mut self, email: &str) {
        let key = email_key(email);
        if matches!(key, Cow::Owned(_)) {
            let index = u32::try_from(self.ends.len()).expect("a roster has fewer than 2^32 rows");
            self.spellings.push((index, email.into()));
        }
        self.text.push_str(&key);
        self.ends.push(u32::try_from(self.text.len()).expect("addresses fit 4 GiB"));
    }

    /// The address of a row as the file spells it, in lower case: what people read, and what Houston
    /// is given.
    pub fn spelled(&self, item: impl Into<ItemId>) -> &str {
        let item = item.into();
        let found = self.spellings.binary_search_by_key(&(item.get() - 1), |(index, _)| *index);
        found.map_or_else(|_| self.get(item), |index| &self.spellings[index].1)
    }

    /// The address of a row as it is compared ([`email_key`]).
    pub fn get(&self, item: impl Into<ItemId>) -> &str {
        let index = item.into().index();
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RowNumber;

    #[test]
    fn emails_come_back_by_row() {
        let mut emails = Emails::default();
        for email in ["a@example.com", "", "b@example.com"] {
            emails.push(email);
        }
        assert_eq!(emails.get(RowNumber::from_index(0)), "a@example.com");
        assert_eq!(emails.get(RowNumber::from_index(1)), "");
        assert_eq!(emails.get(RowNumber::from_index(2)), "b@example.com");
        assert_eq!(emails.len(), 3);
    }

    #[test]
    fn addresses_are_compared_trimmed_and_in_lower_case() {
        assert_eq!(normalize_email("  Ada@Example.COM "), "ada@example.com");
        assert!(matches!(normalize_email("ada@example.com"), Cow::Borrowed(_)));
    }

    #[test]
    fn both_spellings_of_an_international_domain_are_one_address() {
        let (unicode, ascii) = ("ann@münchen.example", "ann@xn--mnchen-3ya.example");
        assert_eq!(email_key(unicode), ascii);
        assert_eq!(email_key(ascii), ascii);
        assert_eq!(email_key("münchen"), "münchen", "a user name has no domain");
        assert_eq!(email_key("jörg@example.com"), "jörg@example.com");
        assert_eq!(other_spelling(unicode).as_deref(), Some(ascii));
        assert_eq!(other_spelling(ascii).as_deref(), Some(unicode));
        assert_eq!(other_spelling("jörg@example.com"), None);
        let mut emails = Emails::default();
        [ascii, "ada@example.com", unicode].into_iter().for_each(|email| emails.push(email));
        let rows = [0, 1, 2].map(RowNumber::from_index);
        assert_eq!(emails.get(rows[0]), emails.get(rows[2]));
        assert_eq!(rows.map(|row| emails.spelled(row)), [ascii, "ada@example.com", unicode]);
    }
}
