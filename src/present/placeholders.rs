//! Texts that stand for a name that was never given: an empty cell of a database, an error of a
//! spreadsheet, a number that was a name once, a template that was not filled in.
//!
//! Main function: [`is_placeholder`]. Pure.

use unicode_normalization::UnicodeNormalization as _;

/// Words that name nothing, in the form that [`plain`] gives them.
const WORDS: [&str; 49] = [
    "null",
    "nil",
    "none",
    "undef",
    "undefined",
    "na",
    "n/a",
    "n.a",
    "n/d",
    "n.d",
    "k.a",
    "/n",
    "nat",
    "notapplicable",
    "notavailable",
    "notset",
    "notfound",
    "unknown",
    "unassigned",
    "missing",
    "empty",
    "blank",
    "void",
    "loading",
    "placeholder",
    "tbd",
    "t.b.d",
    "tba",
    "t.b.a",
    "tbc",
    "todo",
    "fixme",
    "#value",
    "#ref",
    "error",
    "#error",
    "#n/a",
    "#na",
    "#null",
    "true",
    "false",
    "wahr",
    "falsch",
    "vrai",
    "faux",
    "verdadero",
    "falso",
    "истина",
    "ложь",
];

/// Whether a text is a placeholder instead of a name.
pub fn is_placeholder(name: &str) -> bool {
    let text: String = name.trim().nfkc().collect();
    let plain = plain(&text);
    !text.chars().any(char::is_alphanumeric)
        || WORDS.contains(&plain.as_str())
        || (plain.len() > 1 && plain.bytes().all(|byte| byte == b'x'))
        || text.to_lowercase().starts_with("to be ")
        || is_repeated(&text)
        || is_template(&text)
        || is_error(&text)
        || is_mangled_number(&text)
}

/// A text in lower case, without blanks and signs around it; `\` counts as `/`.
fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let text = text.to_lowercase().replace('\\', "/");
    text.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '#' | '/')).to_owned()
}

/// Nothing, several times: `null null` and `N/A, N/A`.
fn is_repeated(text: &str) -> bool {
    let words = || text.split([' ', ',', ';', '|']).map(plain).filter(|word| !word.is_empty());
    words().count() > 1 && words().all(|word| WORDS.contains(&word.as_str()))
}

/// A variable or a formula without its value, or a text that is in brackets as a whole.
fn is_template(text: &str) -> bool {
    let in_brackets = |(open, close): (char, char)| {
        let inner = text.strip_prefix(open).and_then(|text| text.strip_suffix(close));
        inner.is_some_and(|inner| !inner.trim_start_matches(open).contains(open))
    };
    let is_variable = |name: &str| {
        name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    [('<', '>'), ('(', ')'), ('[', ']'), ('{', '}')].into_iter().any(in_brackets)
        || (text.len() > 2 && text.starts_with('%') && text.ends_with('%'))
        || ["${", "{{", "#{"].iter().any(|start| text.contains(start))
        || text.strip_prefix('$').is_some_and(is_variable)
        || text.starts_with('=')
}

/// `#N/A`, `#REF!`, `#ССЫЛКА!` and other errors of spreadsheets in any language: capitals, or one word
/// that ends with a sign. `Err:502` and `1.#QNAN` are errors, too.
fn is_error(text: &str) -> bool {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let Some(word) = text.strip_prefix('#') else {
        let is_code = |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
        return number.starts_with("1.#") || plain(text).strip_prefix("err:").is_some_and(is_code);
    };
    let is_capital = |c: char| c.is_alphabetic() && !c.is_lowercase();
    let is_code = word.chars().nth(1).is_some()
        && word.contains(char::is_uppercase)
        && word.chars().all(|c| is_capital(c) || matches!(c, '/' | '_' | '0' | '!' | '?' | '¡' | '¿'));
    let is_exclaimed = word.ends_with(['!', '?']) && !word.contains(char::is_whitespace);
    is_code || is_exclaimed || word.starts_with("N/A")
}

/// A number that is not a plain one: with a sign, a fraction or an exponent, as a spreadsheet makes
/// of a name or of another number; and 0.
fn is_mangled_number(text: &str) -> bool {
    let number: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let number = number.replace('\u{2212}', "-").replace(',', ".");
    let number = number.trim_matches(['%', '€', '$', '£']);
    let is_plain =
        number.bytes().all(|byte| byte.is_ascii_digit()) && number.bytes().any(|byte| byte != b'0');
    !is_plain && number.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_no_name() {
        let texts = "NULL|null|<null>|(none)|None|N/A|#N/A|#REF!|#NAME?|#DIV/0!|#VALUE!|NaN|-|--|—|?|...|####|TBD|[TBD]|todo\
            |1.0|12,00|1E+05|1.23E+17|1e5|-1.0|0|0.0|TRUE|unknown|${TEAM}|{{ team }}|{team}|<workspace>|%TEAM%|''\
            |#NV|#ÜBERLAUF!|#N/D|#¡REF!|#¿NOMBRE?|#¡VALOR!|#N/B|#Н/Д|#ССЫЛКА!|#DIV/0|#GETTING_DATA|#ERR|#Name?|#n/a\
            |#YOK|#VÄRDEFEL!|#שגיאה!|#N/A Requesting Data...|＃REF！|Err:502|err:508|1.#QNAN|-1.#IND\
            |Loading...|Loading…|\\N|NaT|-nan|+inf|$WORKSPACE|$team|[object Object]|=A1|=VLOOKUP(A1,B:C,2)\
            |N / A|n. a.|n\\a|k.A.|k. A.|(leer)|(vide)|(пусто)|tbd.|TBD?|T.B.D.|To be determined|to be confirmed|xx|XXXX\
            |\u{2212}|\u{2015}|\u{2205}|“”|«»|。|、|¿?|1.50|1,5|.5|+1|-1|\u{2212}1|１．０|1 000,50|1.5%|€ 5.00\
            |WAHR|FALSCH|VRAI|FAUX|VERDADERO|ИСТИНА|*NULL*|“TBD”|null null|N/A, N/A|Not Found|ERROR";
        for name in texts.split('|').chain(["|", "\u{301}", " #REF! "]) {
            assert!(is_placeholder(name), "{name}");
        }
    }

    #[test]
    fn a_name_is_no_stand_in() {
        let texts = "Finance|42|2024|007|3D|E2E|1.0.0|v1.0|#general|#データ|#1|#R&D|Team #1|C#|C++|None of us|Default Team\
            |データ|R&D|Data [EU]|[EU] Data|(EU) Data (old)|X|X-1|E5|10%|$100|Loading Dock|Errors|Error Budget|Empty Blanket|To besser|Null Island|A=B\
            |Tobermory|Vacuum|Ångström|Отдел|क्षेत्र";
        for name in texts.split('|') {
            assert!(!is_placeholder(name), "{name}");
        }
    }
}
