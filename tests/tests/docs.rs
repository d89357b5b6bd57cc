//! The documentation is true: its links lead somewhere, the book has every page, and every command in it is one
//! that the programs take.

#![expect(clippy::unwrap_used, reason = "a document that cannot be read has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use counterfoil_tests::{counterfoil, edge, root};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// README, ARCHITECTURE, CHANGELOG and every page of the book, with their text.
fn documents() -> BTreeMap<PathBuf, String> {
    let root = root();
    let mut files: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root.join(name)).into();
    for folder in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    files.into_iter().map(|file| (file.clone(), fs::read_to_string(file).unwrap())).collect()
}

fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let kept = |c: char| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => c.to_lowercase().next(),
                    _ => None,
                };
                anchors.extend(heading.take().map(|heading| heading.chars().filter_map(kept).collect::<String>()));
            }
            _ => {}
        }
    }
    anchors
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let mut broken = Vec::new();
    for (file, text) in &documents {
        for event in events(text) {
            let Event::Start(Tag::Link { dest_url: target, .. } | Tag::Image { dest_url: target, .. }) = event else {
                continue;
            };
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let place = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            let found = place.canonicalize().ok();
            let known = found.as_ref().is_some_and(|place| {
                anchor.is_empty() || documents.get(place).is_some_and(|text| anchors(text).contains(anchor))
            });
            if !known {
                broken.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn the_book_has_every_page() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed: BTreeSet<PathBuf> = events(&summary)
        .filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. }) => Some(docs.join(&*dest_url)),
            _ => None,
        })
        .collect();
    let missing: Vec<PathBuf> = documents()
        .into_keys()
        .filter(|file| file.starts_with(&docs) && !file.ends_with("SUMMARY.md") && !listed.contains(file))
        .collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not list {missing:?}");
}

/// The commands of a page: lines of its shell blocks, and code in its text, without comments.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut shell = false;
    for event in events(text) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => shell = &*language == "sh",
            Event::End(TagEnd::CodeBlock) => shell = false,
            Event::Text(block) if shell => commands.extend(block.lines().map(words)),
            Event::Code(code) => commands.push(words(&code)),
            _ => {}
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}

/// The words of a command line up to a comment or to what the shell does next.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (Vec::new(), None);
    let mut word = String::new();
    for c in line.trim().chars().chain([' ']) {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('#' | '|' | ';' | '&' | '>', None) if word.is_empty() => break,
            (' ', None) if !word.is_empty() => words.push(std::mem::take(&mut word)),
            (' ', None) => {}
            (c, _) => word.push(c),
        }
    }
    words
}

#[test]
fn every_command_is_one_that_the_programs_take() {
    let mut tried = 0;
    for (file, text) in documents() {
        if file.ends_with("CHANGELOG.md") || file.ends_with("SUMMARY.md") {
            continue;
        }
        for command in commands(&text) {
            let (program, arguments) = command.split_first().unwrap();
            if program.starts_with("scripts/") {
                assert!(root().join(program).exists(), "{}: there is no {program}", file.display());
                tried += 1;
            }
            // A name alone is the name, not a call; what is left out has no flags to check.
            if arguments.is_empty() || arguments.iter().any(|word| word == "...") {
                continue;
            }
            // With `--help` at its end, a command is parsed and nothing of it is done.
            let arguments = arguments.iter().map(String::as_str).chain(["--help"]);
            let ran = match &**program {
                "counterfoil" => counterfoil(arguments),
                "counterfoil-edge" => edge(arguments),
                _ => continue,
            };
            // A flag without its value, at the end, is a mention of the flag.
            if !ran.stderr().contains("a value is required for") {
                ran.ok();
            }
            tried += 1;
        }
    }
    assert!(tried > 60, "only {tried} commands were found in the documentation");
}

#[test]
fn the_readme_has_two_commands_and_then_two_screens_at_most() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("## Two commands").nth(1).unwrap().split("## ").next().unwrap();
    let programs: Vec<String> = commands(&format!("```sh{}", section.split("```sh").nth(1).unwrap()))
        .into_iter()
        .map(|words| words[0].clone())
        .take_while(|program| program.starts_with("scripts/"))
        .take(2)
        .collect();
    assert_eq!(programs, ["scripts/demo", "scripts/test"]);
    let lines = readme.lines().count();
    assert!(lines <= 110, "README.md has {lines} lines: two screens are 100 or so; what is more belongs into docs/");
}

/// The help of a program and of all its subcommands, each under its command line.
fn help(program: &str, run: &dyn Fn(&[&str]) -> String, path: &[&str]) -> String {
    let arguments: Vec<&str> = path.iter().copied().chain(["--help"]).collect();
    let text = run(&arguments);
    let mut all = format!("$ {program} {}\n\n{text}\n", arguments.join(" "));
    let subcommands = text.split("\nCommands:\n").nth(1).unwrap_or_default();
    for line in subcommands.lines().take_while(|line| !line.is_empty()) {
        // Two spaces before a name; longer lines go on further to the right.
        let name =
            line.strip_prefix("  ").filter(|line| !line.starts_with(' ')).and_then(|line| line.split(' ').next());
        if let Some(name) = name.filter(|name| *name != "help") {
            all += &help(program, run, &[path, &[name]].concat());
        }
    }
    all
}

#[test]
fn help_reads_as_it_did() {
    insta::assert_snapshot!("counterfoil", help("counterfoil", &|words| counterfoil(words).ok().stdout(), &[]));
    insta::assert_snapshot!("counterfoil-edge", help("counterfoil-edge", &|words| edge(words).ok().stdout(), &[]));
}
