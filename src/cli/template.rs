//! `template`: prints a roster to start from: the header and one example row.

/// The header and one valid row.
pub const TEMPLATE: &str = "email,role,workspace\nada.lovelace@example.com,WORKSPACE_VIEWER,Data Platform\n";

/// Prints the template.
///
/// # Errors
/// Standard output cannot be written. A closed pipe is not an error.
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
