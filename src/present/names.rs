//! Names of workspaces that are not what they seem: several in one cell, or one that looks like
//! another.
//!
//! Main type: [`Likeness`]; main functions: [`several`] and [`difference`]. Pure.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

use crate::model::{is_invisible, printable};

/// How a text that is not the name of a workspace relates to the names that exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Likeness {
    /// Nothing.
    Nothing,
    /// It is similar to this label.
    Similar(String),
    /// It looks like this name, and differs by characters that can hardly be seen.
    Alike(String),
    /// It holds several names.
    Several(Several),
}

/// Several names in one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Several {
    /// The names.
    pub parts: Vec<String>,
    /// Whether the text can be nothing else: a new workspace of that name is not wanted.
    pub is_sure: bool,
}

impl Likeness {
    /// What is wrong with the text beside that no workspace has it for a name, as a part of a sentence.
    pub fn reason(&self, text: &str) -> Option<String> {
        match self {
            Self::Nothing | Self::Similar(_) => None,
            Self::Alike(name) => Some(difference(text, name)),
            Self::Several(several) => {
                let verb = if several.is_sure { "it names" } else { "it seems to name" };
                let parts: Vec<_> =
                    several.parts.iter().map(|part| format!("`{}`", printable(part))).collect();
                Some(format!("{verb} several workspaces: {}", parts.join(", ")))
            }
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Similar(name) => Some(format!("did you mean `{}`?", printable(name))),
            Self::Alike(name) => {
                Some(format!("type `{}` instead of pasting it, or use the id", printable(name)))
            }
            Self::Several(_) => Some("write one row per workspace".to_owned()),
        }
    }
}

/// Between names that are written into one cell, with what it takes to believe that they are several.
const SEPARATORS: [(&[char], Evidence); 5] = [
    (&[';', '；', '؛'], Evidence::Itself),
    (&['\n', '\r', '\t'], Evidence::Itself),
    (&['|', '｜'], Evidence::OneName),
    (&[',', '，', '、', '،'], Evidence::EveryName),
    (&[';', '；', '؛', '|', '｜', ',', '，', '、', '،', '\n', '\r', '\t'], Evidence::EveryName),
];

/// What a web page writes for a line break and for `&`.
const OF_A_PAGE: [(&str, &str); 6] =
    [("<br>", "\n"), ("<br/>", "\n"), ("<br />", "\n"), ("<BR>", "\n"), ("<BR/>", "\n"), ("&amp;", "&")];
/// What a program writes for a line break or a tab.
const ESCAPES: [&str; 3] = ["\\r\\n", "\\n", "\\t"];

/// What joins names and may be a part of one, too: signs, signs between blanks, and words.
const JOINTS: [char; 14] = ['/', '\\', '&', '+', ';', '；', '؛', ',', '，', '、', '،', '|', '｜', '\n'];
const DASHES: [&str; 5] = ["-", "–", "—", "·", "•"];
const WORDS: [&str; 10] = ["and", "or", "plus", "und", "oder", "et", "y", "e", "en", "и"];

/// What shows that a text is several names and not one with such a character in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// The character itself.
    Itself,
    /// One of the parts is a name.
    OneName,
    /// All of them are.
    EveryName,
}

/// What [`several`] has to know about names.
pub struct Known<E, N, L> {
    /// Whether a text is the name of a workspace that exists.
    pub exists: E,
    /// Whether it is one, or a name that the roster uses elsewhere.
    pub is_name: N,
    /// The label that is most similar to a text.
    pub nearest: L,
}

/// Whether a text is several names.
pub fn several<E, N, L>(text: &str, known: &Known<E, N, L>) -> Option<Several>
where
    E: Fn(&str) -> bool,
    N: Fn(&str) -> bool,
    L: Fn(&str) -> Option<String>,
{
    let text = &OF_A_PAGE.iter().fold(text.to_owned(), |text, (sign, meant)| text.replace(sign, meant));
    let found = separated(text, known);
    if let Some(sure) = found.iter().find(|several| several.is_sure) {
        return Some(sure.clone());
    }
    let whole = (known.nearest)(text);
    let is_one = |parts: &[String]| whole.as_ref().is_some_and(|label| !is_about_a_part(text, parts, label));
    let text = ESCAPES.iter().fold(text.clone(), |text, sign| text.replace(sign, "\n"));
    if let Some(parts) = chain(&text, &known.exists).filter(|parts| parts.len() > 1 && !is_one(parts)) {
        return Some(Several { parts, is_sure: true });
    }
    let both = || at_both_ends(&text, &known.exists);
    let could_be = |part: &String| (known.is_name)(part) || (known.nearest)(part).is_some();
    let similar = || Some(joined(&text)).filter(|parts| parts.len() > 1 && parts.iter().all(could_be));
    let seems = || both().or_else(similar).filter(|parts| !is_one(parts));
    found.first().cloned().or_else(|| Some(Several { parts: seems()?, is_sure: false }))
}

/// The ways to split a text at signs that are hardly ever a part of a name.
fn separated<E, N, L>(text: &str, known: &Known<E, N, L>) -> Vec<Several>
where
    N: Fn(&str) -> bool,
    L: Fn(&str) -> Option<String>,
{
    let whole = (known.nearest)(text);
    let split = |&(signs, evidence): &(&[char], Evidence)| {
        let parts: Vec<&str> = text.split(signs).map(str::trim).filter(|part| !part.is_empty()).collect();
        // A label that has the character itself is what is meant.
        if parts.len() < 2 || whole.as_ref().is_some_and(|label| label.contains(signs)) {
            return None;
        }
        let names = parts.iter().filter(|part| (known.is_name)(part)).count();
        let is_sure = match evidence {
            Evidence::Itself => true,
            Evidence::OneName => names > 0,
            Evidence::EveryName => names == parts.len(),
        };
        let seems = match evidence {
            Evidence::Itself | Evidence::OneName => true,
            Evidence::EveryName => names > 0 || parts.iter().any(|part| (known.nearest)(part).is_some()),
        };
        let parts = || parts.iter().map(|&part| part.to_owned()).collect();
        (is_sure || seems).then(|| Several { parts: parts(), is_sure })
    };
    SEPARATORS.iter().filter_map(split).collect()
}

/// The longest text in which names of workspaces are looked for, in bytes.
const LONGEST: usize = 400;

/// The names of workspaces that a text consists of, with nothing but signs, blanks and joining words
/// between them. `-`, `_` and `.` within a word belong to it.
fn chain(text: &str, exists: &impl Fn(&str) -> bool) -> Option<Vec<String>> {
    if text.len() > LONGEST {
        return None;
    }
    if let Some(name) = name_in(text, exists) {
        return Some(vec![name.to_owned()]);
    }
    let mut ends = ends(text).rev().filter(|&(_, c)| !matches!(c, '-' | '_' | '.'));
    let (end, name) = ends.find_map(|(end, _)| Some((end, name_in(&text[..end], exists)?)))?;
    let rest = text[end..].trim_start();
    let mut names = chain(rest, exists).or_else(|| chain(behind_word(rest)?, exists))?;
    names.insert(0, name.to_owned());
    Some(names)
}

/// The names of workspaces with which a text begins and ends, whatever is between them.
fn at_both_ends(text: &str, exists: &impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let (end, first) = ends(text).rev().find_map(|(end, _)| Some((end, name_in(&text[..end], exists)?)))?;
    let last = ends(&text[end..]).find_map(|(start, _)| name_in(&text[end + start..], exists))?;
    Some(vec![first.to_owned(), last.to_owned()])
}

/// Where a name in a text may end, with the character after it.
fn ends(text: &str) -> impl DoubleEndedIterator<Item = (usize, char)> {
    text.char_indices().filter(|(_, c)| !c.is_alphanumeric())
}

/// The name that a text is, also if there are signs around it.
fn name_in<'t>(text: &'t str, exists: &impl Fn(&str) -> bool) -> Option<&'t str> {
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
    let is_name = |name: &&str| !name.is_empty() && name.len() <= LONGEST && exists(name);
    [text.trim(), bare].into_iter().find(is_name)
}

/// What follows a joining word, with signs before it, at the beginning of a text.
fn behind_word(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let (word, rest) = text.split_once(char::is_whitespace)?;
    WORDS.contains(&word.to_lowercase().as_str()).then_some(rest)
}

/// The parts between all joints of a text but blanks.
fn joined(text: &str) -> Vec<String> {
    let is_joint = |word: &str| DASHES.contains(&word) || WORDS.contains(&word.to_lowercase().as_str());
    let words: Vec<_> = text.split(' ').map(|word| if is_joint(word) { "\n" } else { word }).collect();
    let text = words.join(" ");
    text.split(JOINTS).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// How similar two texts are, in any case: from 0 to 1.
pub(super) fn similarity(text: &str, label: &str) -> f64 {
    strsim::jaro_winkler(&text.to_lowercase(), &label.to_lowercase())
}

/// Whether a label is rather like one of the parts of a text than like all of it.
fn is_about_a_part(text: &str, parts: &[String], label: &str) -> bool {
    let whole = similarity(text, label);
    parts.len() > 1 && parts.iter().any(|part| similarity(part, label) >= whole)
}

/// Whether a label is like a part of the text only: it is not what was meant.
pub fn is_like_a_part(text: &str, label: &str) -> bool {
    is_about_a_part(text, &joined(text), label)
}

/// A name as the eye sees it: composed, without blanks and what cannot be seen, in lower case.
fn look(name: &str) -> String {
    let seen = |c: &char| !c.is_whitespace() && !is_invisible(*c) && !is_joiner(*c);
    name.nfc().filter(seen).flat_map(char::to_lowercase).nfc().collect()
}

/// Names in which ones that look like others are found.
#[derive(Debug, Default)]
pub struct Looks {
    names: Vec<String>,
    /// Indexes of the names, by their [`look`].
    seen: HashMap<String, usize>,
    /// The same by the letters that theirs could be taken for.
    skeletons: HashMap<String, usize>,
}

impl Looks {
    /// Adds a name; of several that look alike the first one stays.
    pub fn add(&mut self, name: &str) {
        let (seen, index) = (look(name), self.names.len());
        self.names.push(name.to_owned());
        self.skeletons.entry(skeleton(&seen).collect()).or_insert(index);
        self.seen.entry(seen).or_insert(index);
    }

    /// The name that this one looks like: beside what `look` leaves out, by letters of another
    /// script.
    pub fn find(&self, name: &str) -> Option<&str> {
        let seen = look(name);
        if let Some(&index) = self.seen.get(&seen) {
            return Some(&self.names[index]);
        }
        let found = self.names[*self.skeletons.get(&skeleton(&seen).collect::<String>())?].as_str();
        (!name.is_ascii() || !found.is_ascii()).then_some(found)
    }
}

impl<'n> FromIterator<&'n str> for Looks {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        let mut looks = Self::default();
        names.into_iter().for_each(|name| looks.add(name));
        looks
    }
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}')
}

/// Whether two names differ by nothing but capitals, which is seen at a glance; letters that only
/// look like their capitals, such as the Kelvin sign, are no such case.
pub fn differs_by_case(name: &str, other: &str) -> bool {
    let is_composed = |name: &str| name.chars().all(is_composed);
    name.to_lowercase() == other.to_lowercase() && is_composed(name) && is_composed(other)
}

/// Whether normalisation leaves a character as it is.
fn is_composed(c: char) -> bool {
    std::iter::once(c).nfc().eq([c])
}

/// Where two names that look alike differ first, as a part of a sentence about `name`. Capitals count
/// only if nothing else differs.
pub fn difference(name: &str, other: &str) -> String {
    let is_case =
        |a: char, b: char| a.to_lowercase().eq(b.to_lowercase()) && is_composed(a) && is_composed(b);
    let common = |is_same: &dyn Fn(char, char) -> bool| {
        name.chars().zip(other.chars()).take_while(|&(a, b)| a == b || is_same(a, b)).count()
    };
    let mut index = common(&is_case);
    if index == name.chars().count() && index == other.chars().count() {
        index = common(&|_, _| false);
    }
    let (here, there) = (name.chars().nth(index), other.chars().nth(index));
    let other = printable(other);
    match here {
        Some(c) => format!(
            "its {} character is {}, where `{other}` has {}",
            ordinal(index + 1),
            described(c),
            there.map_or_else(|| "none".to_owned(), described)
        ),
        None => format!(
            "it ends where the {} character of `{other}` is {}",
            ordinal(index + 1),
            there.map_or_else(|| "none".to_owned(), described)
        ),
    }
}

fn described(c: char) -> String {
    let code = u32::from(c);
    match c {
        ' ' => "a space".to_owned(),
        '\u{A0}' | '\u{202F}' => format!("a no-break space (U+{code:04X})"),
        _ if c.is_whitespace() => format!("a space of another kind (U+{code:04X})"),
        _ if is_invisible(c) || is_joiner(c) => format!("an invisible character (U+{code:04X})"),
        _ if is_combining_mark(c) => format!("a combining mark (U+{code:04X})"),
        _ if c.is_ascii() => format!("`{c}`"),
        _ => format!("`{c}` (U+{code:04X})"),
    }
}

fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(Vec<String>, bool)> {
        const LABELS: [&str; 6] =
            ["Finance", "Operations", "Data Platform", "Research, Development", "R&D", "Sales & Support"];
        let nearest = |text: &str| {
            let near = |label: &&&str| similarity(text, label) > 0.85;
            let best = |a: &&&str, b: &&&str| similarity(text, a).total_cmp(&similarity(text, b));
            LABELS.iter().filter(near).max_by(best).map(|&label| label.to_owned())
        };
        let exists = |part: &str| LABELS.contains(&part);
        let is_name = |part: &str| exists(part) || ["Day", "Night"].contains(&part);
        several(text, &Known { exists, is_name, nearest }).map(|several| (several.parts, several.is_sure))
    }

    #[test]
    fn a_text_of_nothing_but_known_names_is_several_names_whatever_joins_them() {
        for joint in [
            "/", " / ", " & ", "+", " + ", " and ", " und ", " UND ", " et ", " - ", " – ", " ", "\\n",
            "\\r\\n", "<br>", "<br/>", "；", "-> ", " > ", ": ", ". ", " _ ", "=", " # ", "~", "&amp;", " (",
            "] [", "，", "、", ", and ", " | ", "\\", " y ", " • ",
        ] {
            for (one, two) in
                [("Data Platform", "Finance"), ("Finance", "Operations"), ("R&D", "Data Platform")]
            {
                let text = format!("{one}{joint}{two}");
                assert_eq!(parts(&text), Some((vec![one.to_owned(), two.to_owned()], true)), "{text:?}");
            }
        }
        assert_eq!(parts("Finance, Operations and Data Platform").unwrap().0.len(), 3);
        assert_eq!(parts("Finance Operations R&D Data Platform").unwrap().0.len(), 4);
        assert!(!parts(&"Finance ".repeat(60)).unwrap().1, "too long to look at all of it");
    }

    #[test]
    fn a_label_is_not_meant_by_a_text_of_which_it_is_one_part() {
        for text in
            ["Finance & Tax", "Finance und Nowhere", "Finanse / Nowhere", "Nowhere - Finance", "Finance\\Tax"]
        {
            assert!(is_like_a_part(text, "Finance"), "{text}");
        }
        for (text, label) in [
            ("Finance Team", "Finance"),
            ("Research&Development", "Research Development"),
            ("Sales and Support", "Sales & Support"),
            ("Finanse", "Finance"),
        ] {
            assert!(!is_like_a_part(text, label), "{text}");
        }
    }

    #[test]
    fn several_names_in_one_text_are_seen() {
        for (text, is_sure) in [
            ("Data Platform;Finance", true),
            ("Data Platform | Finance", true),
            ("Data Platform\nFinance", true),
            ("Finance, Operations", true),
            ("Finanse/Operatoins", false),
            ("Finance and Operatoins", false),
            ("Finance-Operations", false),
            ("Finance_Operations", false),
            ("Finance as well as Operations", false),
            ("Finance sowie Operations", false),
            ("[Finance, Operations]", true),
            ("[Finance] [Operations]", true),
            ("Finance (Operations)", true),
            ("Night & Day", false),
            ("Night;Day", true),
            ("Night, Day", true),
            ("Finance;Nowhere", true),
            ("Finance|Nowhere", true),
            ("East | West", false),
            ("East；West", true),
            ("Finance, Nowhere", false),
            ("Finanse, Operatoins", false),
        ] {
            assert_eq!(parts(text).map(|(parts, sure)| (parts.len(), sure)), Some((2, is_sure)), "{text}");
        }
        assert_eq!(parts("Finance; Operations, Data Platform").unwrap().0.len(), 2);
        assert_eq!(parts("Finance|Operations, Data Platform").unwrap().0.len(), 2);
        for one in [
            "Finance",
            "Finance;",
            ";",
            "East, West",
            "East/West",
            "Research/Development",
            "R&D",
            "Research, Developmnt",
            "Sales and Support",
            "Sales & Suport",
            "Finance & Tax",
            "Finance Team",
            "(Finance)",
            "Data Platforn",
            "corp\\network",
        ] {
            assert_eq!(parts(one), None, "{one}");
        }
    }

    #[test]
    fn names_that_look_alike_differ_by_code_point_and_position() {
        for (name, other, text) in [
            (
                "Data\u{A0}Platform",
                "Data Platform",
                "its 5th character is a no-break space (U+00A0), where `Data Platform` has a space",
            ),
            (
                "Data Plat\u{200B}form",
                "Data Platform",
                "its 10th character is an invisible character (U+200B), where `Data Platform` has `f`",
            ),
            (
                "Finance\u{200D}",
                "Finance",
                "its 8th character is an invisible character (U+200D), where `Finance` has none",
            ),
            (
                "Finance",
                "Finance\u{200D}",
                "it ends where the 8th character of `Finance\u{fffd}` is an invisible character (U+200D)",
            ),
            ("Night  Shift", "Night Shift", "its 7th character is a space, where `Night Shift` has `S`"),
            ("Contro\u{302}le", "Contrôle", "its 6th character is `o`, where `Contrôle` has `ô` (U+00F4)"),
            ("Dаta", "Data", "its 2nd character is `а` (U+0430), where `Data` has `a`"),
            (
                "\u{212B}ngström",
                "Ångström",
                "its 1st character is `\u{212B}` (U+212B), where `Ångström` has `Å` (U+00C5)",
            ),
            ("\u{2126}", "Ω", "its 1st character is `\u{2126}` (U+2126), where `Ω` has `Ω` (U+03A9)"),
            ("\u{212A}elvin", "Kelvin", "its 1st character is `\u{212A}` (U+212A), where `Kelvin` has `K`"),
            (
                "data\u{A0}lake",
                "Data Lake",
                "its 5th character is a no-break space (U+00A0), where `Data Lake` has a space",
            ),
            ("NightShift", "Night Shift", "its 6th character is `S`, where `Night Shift` has a space"),
        ] {
            assert_eq!(Looks::from_iter([other]).find(name), Some(other), "{name}");
            assert_eq!(difference(name, other), text);
        }
        for (name, other, by_case) in [
            ("finance", "FINANCE", true),
            ("Ångström", "ångström", true),
            ("ΟΔΟΣ", "οδος", true),
            ("\u{212B}ngström", "Ångström", false),
            ("\u{212A}elvin", "kelvin", false),
            ("data\u{A0}lake", "Data Lake", false),
        ] {
            assert_eq!(differs_by_case(name, other), by_case, "{name}");
            assert_eq!(differs_by_case(other, name), by_case, "{name}");
        }
        for (name, other) in
            [("Night-Shift", "NightShift"), ("Finance", "Finances"), ("Team 1", "Team l"), ("Cafe", "Café")]
        {
            assert_eq!(Looks::from_iter([other]).find(name), None, "{name}");
        }
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal).join(" "),
            "1st 2nd 3rd 4th 11th 12th 13th 21st 112th"
        );
    }
}
