//! Command lines, flags, scripts and documents that programs and documentation mention exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_tests::{counterfoil, edge, root};

/// Files and folders to check: documentation, and sources whose texts the programs print.
const READ: [&str; 9] = [
    "README.md",
    "ARCHITECTURE.md",
    "docs",
    "scripts",
    "host/src",
    "edge/src",
    "edge/debian",
    "models/src",
    "tests/emulated-pi",
];

fn files(below: &Path, found: &mut Vec<PathBuf>) {
    if below.is_dir() {
        for entry in fs::read_dir(below).unwrap() {
            files(&entry.unwrap().path(), found);
        }
    } else if fs::read_to_string(below).is_ok() {
        found.push(below.to_path_buf());
    }
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "md")
}

/// All texts to check, with their paths.
fn texts() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    READ.iter().map(|name| root().join(name)).filter(|path| path.exists()).for_each(|path| files(&path, &mut found));
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// A word of a command line without the punctuation of a sentence or of Markdown around it.
fn word(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-').trim_end_matches('-')
}

/// The commands of a program, from its `--help` texts, each with its flags.
struct Commands {
    program: &'static str,
    known: BTreeMap<Vec<String>, (BTreeSet<String>, BTreeSet<String>)>,
}

impl Commands {
    fn of(program: &'static str) -> Self {
        Self { program, known: BTreeMap::new() }
    }

    /// The subcommands and the flags of a command. `path` is empty for the program itself.
    fn at(&mut self, path: &[String]) -> &(BTreeSet<String>, BTreeSet<String>) {
        let program = self.program;
        self.known.entry(path.to_vec()).or_insert_with(|| {
            let arguments = [path, &["--help".to_owned()]].concat();
            let help = if program == "counterfoil" { counterfoil(arguments) } else { edge(arguments) }.ok().stdout();
            let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
            let listed = listed.lines().take_while(|line| line.starts_with(' ') || line.is_empty());
            let commands = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
            let flags = help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|w| w.starts_with("--"));
            (
                commands.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect(),
                flags.map(str::to_owned).collect(),
            )
        })
    }

    /// Checks a command line without the program's name. Returns the first error, if there is one.
    fn complaint(&mut self, line: &str) -> Option<String> {
        let mut path = Vec::new();
        let mut words = line.split_whitespace().map(word).peekable();
        while let Some(next) = words.peek() {
            let (commands, _) = self.at(&path);
            if commands.is_empty() || next.starts_with('-') || next.is_empty() {
                break;
            }
            if !commands.contains(*next) {
                // A command with subcommands may also take a value itself.
                return path.is_empty().then(|| format!("there is no command `{next}`"));
            }
            path.push((*next).to_owned());
            words.next();
        }
        let (_, flags) = self.at(&path);
        let named = words.filter(|word| word.starts_with("--") && word.len() > 2);
        let mut missing =
            named.map(|flag| flag.split('=').next().unwrap_or(flag)).filter(|flag| !flags.contains(*flag));
        missing.next().map(|flag| format!("`{}` has no flag {flag}", path.join(" ")))
    }
}

#[test]
fn every_command_line_that_is_named_exists() {
    let (mut host, mut on_box) = (Commands::of("counterfoil"), Commands::of("counterfoil-edge"));
    let mut complaints = Vec::new();
    let mut checked = 0;
    for (path, text) in texts() {
        // A command line continues after a backslash at the end of a line.
        for line in text.replace("\\\n", " ").lines() {
            // A command line starts after a backtick or a `$`, after a colon, at the start of an indented line, or at
            // the start of a line of Markdown.
            for (at, _) in line.match_indices("counterfoil") {
                let (before, rest) = line.split_at(at);
                let is_command = before.ends_with(['`', '$'])
                    || before.ends_with(": ")
                    || (before.ends_with("  ") && before.trim().is_empty())
                    || (before.is_empty() && is_markdown(&path));
                let (commands, rest) = match rest.strip_prefix("counterfoil-edge ") {
                    Some(rest) => (&mut on_box, rest),
                    None => match rest.strip_prefix("counterfoil ") {
                        Some(rest) => (&mut host, rest),
                        None => continue,
                    },
                };
                if !is_command || rest.starts_with(['{', '#']) {
                    continue;
                }
                let ends = ['`', '#', '|', '>', ';', '\'', '(', '&'];
                let said = rest.split(ends).next().unwrap_or(rest).split("\\n").next().unwrap_or_default();
                checked += 1;
                if let Some(complaint) = commands.complaint(said) {
                    complaints.push(format!("{}: {complaint}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(checked > 60, "only {checked} command lines were found");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_script_and_document_that_is_named_exists() {
    let mut missing = Vec::new();
    for (path, text) in texts() {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        for named in text.split(|c| !is_part(c)).map(|word| word.trim_end_matches(['.', '/', '-'])) {
            let is_ours =
                named.starts_with("scripts/") || (named.starts_with("docs/") && is_markdown(Path::new(named)));
            if is_ours && !root().join(named).exists() {
                missing.push(format!("{} names {named}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
