//! The examples of help and manual pages. The test suite runs them, in this order.

/// What an example does, and its command line.
pub type Example = (&'static str, &'static str);

/// The examples of a command; those of the program have an empty name.
pub fn of(command: &str) -> &'static [Example] {
    ALL.iter().find(|(name, _)| *name == command).map_or(&[], |(_, examples)| examples)
}

/// All examples, by command.
pub const ALL: &[(&str, &[Example])] = &[
    (
        "",
        &[
            (
                "Rehearse: add the people of a roster to a Houston inside this process",
                "houston-onboard apply team.csv --sandbox --yes",
            ),
            (
                "Show what would change in your installation",
                "houston-onboard plan team.csv --domain example.com",
            ),
            ("Make these changes, after a question", "houston-onboard apply team.csv --domain example.com"),
        ],
    ),
    (
        "validate",
        &[
            ("Check a roster before anything is sent", "houston-onboard validate team.csv"),
            (
                "Check a file whose address column has another name",
                "houston-onboard validate people.csv --column email='Work Email'",
            ),
            (
                "Check the output of another program, for a CI job",
                "cat team.csv | houston-onboard validate - --format junit > roster.xml",
            ),
        ],
    ),
    (
        "doctor",
        &[
            ("Check connection, token and rights", "houston-onboard doctor --domain example.com"),
            (
                "Check the workspaces of a roster as well",
                "houston-onboard doctor team.csv --domain example.com",
            ),
            ("The same for a program", "houston-onboard doctor --domain example.com --format json"),
        ],
    ),
    (
        "plan",
        &[
            ("Show what apply would do", "houston-onboard plan team.csv --domain example.com"),
            (
                "Explain one person: what Houston has, and what would be sent",
                "houston-onboard plan team.csv --sandbox --explain amina.demir@example.com",
            ),
            (
                "Save the plan for a review",
                "houston-onboard plan team.csv --domain example.com --out plan.json",
            ),
        ],
    ),
    (
        "apply",
        &[
            (
                "Show the plan, ask, and add who is missing",
                "houston-onboard apply team.csv --domain example.com",
            ),
            (
                "Apply a plan that was saved by plan --out",
                "houston-onboard apply --plan plan.json --domain example.com --yes",
            ),
            (
                "Also remove people whom the roster does not name, 5 at most",
                "houston-onboard apply team.csv --domain example.com --prune --max-remove 5",
            ),
        ],
    ),
    (
        "export",
        &[
            (
                "Write the members of all workspaces to a file",
                "houston-onboard export --domain example.com --output members.csv",
            ),
            (
                "Only workspaces whose label begins with Data",
                "houston-onboard export --domain example.com --workspace 'Data*'",
            ),
            (
                "With ids and pending invitations, for a program",
                "houston-onboard export --domain example.com --format json > members.json",
            ),
        ],
    ),
    (
        "report",
        &[
            ("Print the report of the latest run", "houston-onboard report"),
            ("List the runs, newest first", "houston-onboard report --list"),
            (
                "Write one line for each row of the roster",
                "houston-onboard report latest --format csv > results.csv",
            ),
        ],
    ),
    (
        "resume",
        &[
            ("Finish the latest run, after a question", "houston-onboard resume"),
            ("Finish it without a question, as in cron", "houston-onboard resume latest --yes"),
            (
                "Finish it with a new token, and slowly",
                "houston-onboard resume --token-file ~/houston-token --rate 5/s --yes",
            ),
        ],
    ),
    (
        "sandbox",
        &[
            ("Run a Houston on a port of your choice", "houston-onboard sandbox --port 4466"),
            (
                "Begin with the members of an export",
                "houston-onboard sandbox --port 4466 --state members.csv",
            ),
            ("An unreliable one", "houston-onboard sandbox --port 4466 --faults timeout=2%,429=5%"),
        ],
    ),
    (
        "schema",
        &[
            ("List the outputs that have a schema", "houston-onboard schema"),
            ("Print the schema of summary.json", "houston-onboard schema summary"),
            (
                "Keep the schema of the lines of a journal",
                "houston-onboard schema journal-entry > entry.json",
            ),
        ],
    ),
    (
        "template",
        &[
            ("Print the header and an example row", "houston-onboard template"),
            ("Begin a roster", "houston-onboard template > new.csv"),
            ("Check the example", "houston-onboard template | houston-onboard validate -"),
        ],
    ),
    (
        "config",
        &[
            ("Show every setting of this shell", "houston-onboard config show"),
            ("Show those of a settings file", "houston-onboard config show --config onboard.toml"),
            (
                "Show those of one of its targets",
                "houston-onboard config show --config onboard.toml --target prod",
            ),
        ],
    ),
    (
        "config show",
        &[
            (
                "Show every setting and where it comes from",
                "houston-onboard config show --config onboard.toml --target prod",
            ),
            ("See what a flag overrides", "houston-onboard config show --config onboard.toml --rate 5/s"),
            ("The same for a program", "houston-onboard config show --config onboard.toml --format json"),
        ],
    ),
    (
        "completions",
        &[
            ("Bash: read the file in ~/.bashrc", "houston-onboard completions bash > houston-onboard.bash"),
            ("Zsh: write it to a folder of $fpath", "houston-onboard completions zsh > _houston-onboard"),
            (
                "Fish: write it to ~/.config/fish/completions",
                "houston-onboard completions fish > houston-onboard.fish",
            ),
        ],
    ),
    (
        "man",
        &[
            ("Read the page with man -l houston-onboard.1", "houston-onboard man > houston-onboard.1"),
            ("The page of one command", "houston-onboard man apply > houston-onboard-apply.1"),
            ("Write all pages into a folder", "houston-onboard man --out man1"),
        ],
    ),
    (
        "version",
        &[
            ("Everything that a bug report needs", "houston-onboard version"),
            ("The same for a program", "houston-onboard version --format json"),
            ("Only the number", "houston-onboard --version"),
        ],
    ),
    (
        "help",
        &[
            ("All options of a command", "houston-onboard help apply"),
            ("Variables, tokens and proxies", "houston-onboard help environment"),
            ("What the exit statuses mean", "houston-onboard help exit-status"),
        ],
    ),
];
