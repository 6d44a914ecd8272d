//! `schema`: prints the JSON Schema of an output.
//!
//! Main function: [`run`].

use clap::Args;

use super::{print, print_data};
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;
use crate::report::schemas;

/// Print the JSON Schema of an output, or list the schemas
#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    /// Which one; without it, the names are listed
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Prints a schema, or the names of all.
///
/// # Errors
/// There is none of that name (2), or standard output cannot be written (1).
pub fn run(args: &SchemaArgs) -> Result<(), Failure> {
    let Some(name) = &args.name else { return Ok(print(&schemas::listed())?) };
    let Some(schema) = schemas::find(name) else {
        let error = anyhow::anyhow!("there is no schema `{name}`");
        return Err(Failure::new(ExitStatus::Usage, error).hint("`schema` lists the names"));
    };
    Ok(print_data(&schema)?)
}

#[cfg(test)]
mod tests {
    use super::super::{config, version};
    use crate::report::schemas::tests::{check, of};

    #[test]
    fn the_schemas_of_the_command_line_are_those_of_its_types() {
        check("config", of::<config::Document>());
        check("version", of::<version::Build>());
    }
}
