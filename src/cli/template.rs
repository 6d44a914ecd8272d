//! `template`: prints a roster to begin with, its header and one example row.

/// The header and a row that `validate` finds good.
pub const TEMPLATE: &str = "email,role,workspace\nada.lovelace@example.com,WORKSPACE_VIEWER,Data Platform\n";

/// Prints the template.
///
/// # Errors
/// If standard output cannot be written; that nobody reads it is no error.
pub fn run() -> anyhow::Result<()> {
    super::print_data(TEMPLATE)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::roster::{Roster, Settings};

    #[test]
    fn the_template_is_a_good_roster() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(TEMPLATE.as_bytes()).unwrap();
        let roster = Roster::from_file(file, "template", &Settings::default()).unwrap();
        assert!(roster.issues().is_empty());
        assert_eq!(roster.wanted_len(), 1);
    }
}
