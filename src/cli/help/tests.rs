//! What help shows, and how long it is.

use super::*;

/// Every command by the words that lead to it, built as for a terminal of 80 columns.
fn commands(form: Form) -> Vec<(String, Command)> {
    fn collect(command: &Command, above: &str, found: &mut Vec<(String, Command)>) {
        for sub in command.get_subcommands() {
            let name = format!("{above} {}", sub.get_name()).trim_start().to_owned();
            found.push((name.clone(), sub.clone()));
            collect(sub, &name, found);
        }
    }
    let mut root = with_form(form).term_width(80);
    root.build();
    let mut found = vec![(String::new(), root.clone())];
    collect(&root, "", &mut found);
    found
}

#[test]
fn short_help_fits_on_one_screen_and_says_what_it_leaves_out() {
    for (name, mut command) in commands(Form::Summary) {
        let text = command.render_help().to_string();
        let lines: Vec<&str> = text.trim_end().lines().collect();
        assert!(lines.len() <= 40, "`{name} -h` has {} lines:\n{text}", lines.len());
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
        let is_hidden = |argument: &&Arg| argument.is_hide_short_help_set() && !argument.is_hide_set();
        let hidden = command.get_arguments().filter(is_hidden).count();
        let says = format!("{hidden} more options: houston-onboard {name} --help");
        assert!(name.is_empty() || text.contains(&says), "{says}:\n{text}");
        assert!(!text.contains("[env"), "{text}");
    }
}

#[test]
fn long_help_has_every_option_and_three_examples() {
    for (name, mut command) in commands(Form::Full) {
        let text = command.render_long_help().to_string();
        for argument in command.get_arguments() {
            let Some(long) = argument.get_long() else { continue };
            let long = format!("--{long}");
            if short::refused(&name).contains(&&long[2..]) {
                let is_offered = |line: &str| line.split_whitespace().next() == Some(&*long);
                assert!(!text.lines().any(is_offered), "{name} {argument}");
            } else {
                assert!(text.contains(&long), "{name} {argument}");
            }
        }
        assert_eq!(examples::of(&name).len(), 3, "examples of `{name}`");
        assert!(examples::of(&name).iter().all(|(_, line)| text.contains(line)), "{text}");
        assert!(
            examples::of(&name).iter().any(|(_, line)| line.contains(format!("{PROGRAM} {name}").trim()))
        );
        assert!(examples::of(&name).iter().all(|(_, line)| line.len() <= 76), "{name}");
        assert!(!text.contains("[env"), "{text}");
    }
    assert!(
        examples::ALL.iter().all(|(name, _)| commands(Form::Full).iter().any(|(known, _)| known == name))
    );
}

#[test]
fn every_option_of_short_help_exists() {
    for (name, command) in commands(Form::Full).iter().skip(1) {
        let known: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
        let is_built = |option: &&&str| cfg!(feature = "sandbox") || **option != "sandbox";
        for option in short::options(name).iter().filter(is_built) {
            assert!(known.contains(option), "{name} --{option}");
        }
    }
}

#[test]
fn general_options_come_last_and_the_version_is_only_at_the_root() {
    for (name, mut command) in commands(Form::Full) {
        let text = command.render_long_help().to_string();
        let is_heading = |line: &&str| line.ends_with(':') && !line.starts_with(' ');
        let headings: Vec<&str> = text.lines().filter(is_heading).collect();
        let general = headings.iter().position(|line| *line == "General options:").expect(&name);
        assert!(
            headings[general + 1..].iter().all(|line| ["Examples:", "Exit status:"].contains(line)),
            "{text}"
        );
        assert_eq!(command.get_arguments().any(|one| one.get_long() == Some("version")), name.is_empty());
    }
    for (name, mut command) in commands(Form::Summary) {
        let text = command.render_help().to_string();
        let options: Vec<&str> = text.lines().filter(|line| line.trim_start().starts_with('-')).collect();
        let last = if name.is_empty() { "-V, --version" } else { "-h, --help" };
        assert!(options.last().is_some_and(|line| line.trim_start().starts_with(last)), "{text}");
    }
}

#[test]
fn a_topic_has_all_that_it_is_about() {
    let root = documented();
    for name in topics::NAMES {
        let text = topics::text(name, &root).expect(name);
        assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    }
    let environment = topics::text("environment", &root).expect("a topic");
    for argument in root.get_subcommands().flat_map(Command::get_arguments) {
        let name = argument.get_long().filter(|_| super::super::settings::is_setting(argument));
        let is_in =
            |name: &str| environment.contains(&format!("  {}=", super::super::settings::variable(name)));
        assert!(name.is_none_or(is_in), "{argument}");
    }
    let roster = topics::text("roster", &root).expect("a topic");
    for name in crate::roster::COLUMNS.iter().flat_map(|column| column.names) {
        assert!(roster.contains(name), "{name}");
    }
    assert_eq!(topics::text("weather", &root), None);
}

#[test]
fn an_unknown_command_or_topic_is_refused_with_the_nearest_name() {
    for (word, meant) in [("aply", Some("apply")), ("enviroment", Some("environment")), ("x", None)] {
        let error = subcommand(&documented(), &[word.to_owned()]).unwrap_err().error.to_string();
        assert_eq!(error.contains("did you mean"), meant.is_some(), "{error}");
        assert!(meant.is_none_or(|meant| error.contains(&format!("`{meant}`"))), "{error}");
    }
}
