//! The JSON Schemas of everything that the program prints or keeps as JSON.
//!
//! Main function: [`find`]. The files are generated from the types that are written: a test compares them,
//! and with `UPDATE_SCHEMAS=1` writes them.

/// Every schema with its name, in the order in which they are listed.
pub const ALL: [(&str, &str, &str); 16] = [
    ("summary", "summary.json, and `report --format json`", include_str!("schemas/summary.json")),
    ("summary-file", "`--summary-file` of plan, apply and resume", include_str!("schemas/summary-file.json")),
    ("plan", "`plan --format json`", include_str!("schemas/plan.json")),
    ("explain", "`plan --explain EMAIL --format json`", include_str!("schemas/explain.json")),
    ("saved-plan", "`plan --out`, and undo.json", include_str!("schemas/saved-plan.json")),
    ("report-row", "a line of `report --format jsonl`", include_str!("schemas/report-row.json")),
    ("list", "`report --list --format json`", include_str!("schemas/list.json")),
    ("validate", "`validate --format json`", include_str!("schemas/validate.json")),
    ("validate-line", "a line of `validate --format jsonl`", include_str!("schemas/validate-line.json")),
    ("doctor", "`doctor --format json`", include_str!("schemas/doctor.json")),
    ("export", "`export --format json`", include_str!("schemas/export.json")),
    ("journal-entry", "a line of journal.jsonl", include_str!("schemas/journal-entry.json")),
    ("log", "a line of standard error with `--log-format json`", include_str!("schemas/log.json")),
    ("plan-line", "a line of plan.jsonl", include_str!("schemas/plan-line.json")),
    ("config", "`config show --format json`", include_str!("schemas/config.json")),
    ("version", "`version --format json`", include_str!("schemas/version.json")),
];

/// The schema of that name.
pub fn find(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, ..)| *known == name).map(|(.., schema)| *schema)
}

/// The names, a line each with what the schema is about.
pub fn listed() -> String {
    let width = ALL.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    let lines: Vec<String> = ALL.iter().map(|(name, what, _)| format!("{name:width$}  {what}\n")).collect();
    lines.concat()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

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

    /// Compares the file with the schema of its type, or writes it.
    pub(crate) fn check(name: &str, mut schema: Schema) {
        schema.insert("title".to_owned(), format!("houston-onboard {name}").into());
        let schema = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/schemas");
            std::fs::write(folder.join(format!("{name}.json")), &schema).expect("written");
        } else {
            assert!(find(name) == Some(&*schema), "{name}: run this test with UPDATE_SCHEMAS=1");
        }
    }

    #[test]
    fn the_schemas_are_those_of_the_types() {
        for (name, ..) in ALL {
            if let Some(schema) = generated(name) {
                check(name, schema);
            }
        }
    }

    #[test]
    fn every_schema_is_sound_and_listed() {
        for (name, ..) in ALL {
            let schema: serde_json::Value = serde_json::from_str(find(name).expect("there")).expect("JSON");
            assert!(jsonschema::meta::is_valid(&schema), "{name}");
            assert!(listed().lines().any(|line| line.starts_with(name)), "{name}");
        }
        assert_eq!(find("nothing"), None);
    }
}
