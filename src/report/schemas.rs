//! The JSON Schemas of everything that the program prints or keeps as JSON.
//!
//! Main function: [`find`]. The files in `schemas` are generated from the types that are written, and the program
//! has them packed in `schemas.z`, an eighth of their size: a test compares all three, and with `UPDATE_SCHEMAS=1`
//! writes both.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

/// The name of every schema, and what it is about, in the order in which they are listed.
pub const ALL: [(&str, &str); 16] = [
    ("summary", "summary.json, and `report --format json`"),
    ("summary-file", "`--summary-file` of plan, apply and resume"),
    ("plan", "`plan --format json`"),
    ("explain", "`plan --explain EMAIL --format json`"),
    ("saved-plan", "`plan --out`, and undo.json"),
    ("report-row", "a line of `report --format jsonl`"),
    ("list", "`report --list --format json`"),
    ("validate", "`validate --format json`"),
    ("validate-line", "a line of `validate --format jsonl`"),
    ("doctor", "`doctor --format json`"),
    ("export", "`export --format json`"),
    ("journal-entry", "a line of journal.jsonl"),
    ("log", "a line of standard error with `--log-format json`"),
    ("plan-line", "a line of plan.jsonl"),
    ("config", "`config show --format json`"),
    ("version", "`version --format json`"),
];

/// The schemas in the order of [`ALL`], each with a NUL behind it.
const PACKED: &[u8] = include_bytes!("schemas.z");

/// The schema of that name.
pub fn find(name: &str) -> Option<String> {
    let place = ALL.iter().position(|(known, _)| *known == name)?;
    let mut all = String::new();
    ZlibDecoder::new(PACKED).read_to_string(&mut all).expect("packed by the test below");
    all.split('\0').nth(place).map(str::to_owned)
}

/// The names, a line each with what the schema is about.
pub fn listed() -> String {
    let width = ALL.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines: Vec<String> = ALL.iter().map(|(name, what)| format!("{name:width$}  {what}\n")).collect();
    lines.concat()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use schemars::generate::SchemaSettings;
    use schemars::{JsonSchema, Schema};
    use serde_json::json;

    use super::*;
    use crate::record::journal::{Entry, PlanLine};
    use crate::record::saved_plan::SavedPlan;
    use crate::report::checkup::Checkup;
    use crate::report::log::LogLine;
    use crate::report::summary::Summary;
    use crate::report::{command_summary, export, list, plan, run, validate};

    pub(crate) fn of<T: JsonSchema>() -> Schema {
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
    }

    /// The schema of a plan in a file, which has its digest besides.
    fn saved_plan() -> Schema {
        let mut schema = of::<SavedPlan>();
        let object = schema.ensure_object();
        object["properties"]["digest"] = json!({
            "description": "SHA-256 of what the plan means, hexadecimal.",
            "type": "string",
        });
        let required = object["required"].as_array_mut().expect("a list");
        required.push("digest".into());
        schema
    }

    /// Of the types of this module and those below it; the command line and `plan --explain` have their own.
    fn generated(name: &str) -> Option<Schema> {
        Some(match name {
            "summary" => of::<Summary>(),
            "summary-file" => of::<command_summary::Document<'_>>(),
            "plan" => of::<plan::Document<'_>>(),
            "saved-plan" => saved_plan(),
            "report-row" => of::<run::RowLine<'_>>(),
            "list" => of::<list::Document<'_>>(),
            "validate" => of::<validate::Document<'_>>(),
            "validate-line" => of::<validate::Line<'_>>(),
            "doctor" => of::<Checkup>(),
            "export" => of::<export::Document>(),
            "journal-entry" => of::<Entry>(),
            "plan-line" => of::<PlanLine>(),
            "log" => of::<LogLine<'_>>(),
            "config" | "explain" | "version" => return None,
            other => panic!("no type for {other}"),
        })
    }

    /// A file beside this one.
    fn beside(file: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report").join(file)
    }

    fn file(name: &str) -> PathBuf {
        beside(&format!("schemas/{name}.json"))
    }

    /// Compares the file, and what is packed, with the schema of its type, or writes both.
    pub(crate) fn check(name: &str, mut schema: Schema) {
        // Two tests write the packed file.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        schema.insert("title".to_owned(), format!("houston-onboard {name}").into());
        let schema = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
            fs::write(file(name), &schema).expect("written");
            pack();
        } else {
            let file = fs::read_to_string(file(name)).expect("a file");
            let is_same = file == schema && find(name) == Some(schema);
            assert!(is_same, "{name}: run the tests with `schemas` in their names with UPDATE_SCHEMAS=1");
        }
    }

    fn pack() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        for (name, _) in ALL {
            let text = fs::read_to_string(file(name)).expect("a file");
            encoder.write_all(format!("{text}\0").as_bytes()).expect("packed");
        }
        let packed = encoder.finish().expect("packed");
        fs::write(beside("schemas.z"), packed).expect("written");
    }

    #[test]
    fn the_schemas_are_those_of_the_types() {
        for (name, _) in ALL {
            if let Some(schema) = generated(name) {
                check(name, schema);
            }
        }
    }

    #[test]
    fn every_schema_is_sound_and_listed() {
        for (name, _) in ALL {
            let schema: serde_json::Value = serde_json::from_str(&find(name).expect("there")).expect("JSON");
            assert!(jsonschema::meta::is_valid(&schema), "{name}");
            assert!(listed().lines().any(|line| line.starts_with(name)), "{name}");
        }
        assert_eq!(find("nothing"), None);
    }
}
