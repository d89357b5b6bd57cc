//! Adds one command to a card's `user-data`. All that Raspberry Pi Imager or a person wrote there stays byte for byte.
//!
//! cloud-init reads the file as YAML. A YAML library would lose comments and quoting when it writes, and the file
//! holds passwords and keys. So one line is inserted into the text, in the forms that Imager and people write. Any
//! other form returns an error, and the message explains how to edit the file by hand.

/// The line that must come first for cloud-init to read the file as settings.
const HEADER: &str = "#cloud-config";

/// A script as a command of the first start: a list item in YAML.
pub(super) fn item(script: &str) -> String {
    format!("[sh, {script}]")
}

/// Adds a script to the commands of the first start. A text that already names the script is returned unchanged.
///
/// # Errors
/// Returns the reason why the script cannot be added.
pub(super) fn with_script(text: &str, script: &str) -> Result<String, &'static str> {
    let lines: Vec<&str> = text.lines().collect();
    if lines.iter().any(|line| is_content(line) && line.contains(script)) {
        return Ok(text.to_owned());
    }
    let command = &item(script);
    let Some(first) = lines.iter().position(|line| is_content(line)) else {
        let has_header = lines.iter().any(|line| line.trim_end() == HEADER);
        let header: &[&str] = if has_header { &[] } else { &[HEADER] };
        return Ok(joined(&[header, &lines].concat(), text, command, None));
    };
    let (before, after) = lines.split_at(first);
    if before.iter().all(|line| line.trim_end() != HEADER) {
        return Err("it does not begin with #cloud-config, so cloud-init takes it for something else than settings");
    }
    if after[0].starts_with([' ', '\t', '{', '-']) || after.iter().any(|line| ["...", "---"].contains(&line.trim_end()))
    {
        return Err("its settings do not stand at the start of their lines, one document in all");
    }
    let keys: Vec<usize> = (0..lines.len()).filter(|at| is_runcmd(lines[*at])).collect();
    match keys[..] {
        [] => Ok(joined(&lines, text, command, None)),
        [key] => {
            let place = end_of_list(&lines, key).ok_or("its `runcmd:` is not a list with one command a line")?;
            Ok(joined(&lines, text, command, Some(place)))
        }
        _ => Err("it has `runcmd:` twice, of which cloud-init reads one"),
    }
}

/// Whether a line is the `runcmd` key: at the start of the line, quoted or not.
fn is_runcmd(line: &str) -> bool {
    let quotes = ['"', '\''];
    let rest = line.trim_start_matches(quotes).strip_prefix("runcmd");
    rest.is_some_and(|rest| rest.trim_start_matches(quotes).trim_start().starts_with(':'))
}

/// The line index for the next item of a list, and its indentation; `None` when the key's value is not a block list.
fn end_of_list(lines: &[&str], key: usize) -> Option<(usize, usize)> {
    let value = lines[key].split_once(':').map_or("", |(_, value)| value.trim());
    let indent_of = |line: &str| line.len() - line.trim_start().len();
    let is_item = |line: &str| line.trim_start().starts_with("- ") || line.trim() == "-";
    let first = (key + 1..lines.len()).find(|at| is_content(lines[*at]))?;
    if !(value.is_empty() || value.starts_with('#')) || !is_item(lines[first]) {
        return None;
    }
    let indent = indent_of(lines[first]);
    // A line with deeper indentation belongs to the item above it, even a comment in a script. A comment or blank
    // line at the items' own indentation belongs to no item.
    let belongs = |line: &str| {
        !line.trim().is_empty() && (indent_of(line) > indent || (indent_of(line) == indent && is_item(line)))
    };
    let end = (first..lines.len()).find(|at| is_content(lines[*at]) && !belongs(lines[*at])).unwrap_or(lines.len());
    let last = (first..end).rev().find(|at| belongs(lines[*at]))?;
    Some((last + 1, indent))
}

/// Joins the lines with the command inserted: as the last item of a list, or as a new list at the end of the text.
fn joined(lines: &[&str], text: &str, command: &str, place: Option<(usize, usize)>) -> String {
    let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    match place {
        Some((at, indent)) => lines.insert(at, format!("{:indent$}- {command}", "")),
        None => lines.extend(["runcmd:".to_owned(), format!("  - {command}")]),
    }
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    lines.join(end) + end
}

fn is_content(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim_start().starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "/boot/firmware/counterfoil/install.sh";
    const COMMAND: &str = "[sh, /boot/firmware/counterfoil/install.sh]";

    /// What Raspberry Pi Imager writes for Trixie, with invented values.
    const IMAGER: &str = r#"#cloud-config
manage_resolv_conf: false

hostname: till
manage_etc_hosts: true
packages:
- avahi-daemon
apt:
  conf: |
    Acquire {
      Check-Date "false";
    };
timezone: Europe/London
users:
- name: pi
  groups: users,adm,sudo
  passwd: "$y$jB5$not.a.real$one"
enable_ssh: true
runcmd:
  - [ rfkill, unblock, wifi ]
  - [ sh, -c, "for f in /var/lib/systemd/rfkill/*:wlan; do echo 0 > \"$f\"; done" ]

"#;

    fn added(text: &str) -> String {
        let once = with_script(text, SCRIPT).unwrap();
        assert_eq!(with_script(&once, SCRIPT).unwrap(), once, "a second time changes nothing");
        once
    }

    #[test]
    fn a_fresh_cards_comments_stay() {
        let end = format!("runcmd:\n  - {COMMAND}\n");
        assert_eq!(added(""), format!("#cloud-config\n{end}"));
        assert_eq!(added("#cloud-config\n\n# hostname: x\n"), format!("#cloud-config\n\n# hostname: x\n{end}"));
        assert_eq!(
            added("#cloud-config\n#runcmd:\n#- [ls]\nssh_pwauth: false"),
            format!("#cloud-config\n#runcmd:\n#- [ls]\nssh_pwauth: false\n{end}")
        );
    }

    #[test]
    fn imagers_own_commands_come_first_and_not_a_letter_is_lost() {
        let merged = added(IMAGER);
        assert_eq!(merged.replace(&format!("  - {COMMAND}\n"), ""), IMAGER);
        assert!(merged.contains(&format!("done\" ]\n  - {COMMAND}\n")), "{merged}");
        let without = IMAGER.split("runcmd:").next().unwrap();
        assert_eq!(added(without), format!("{without}runcmd:\n  - {COMMAND}\n"));
    }

    #[test]
    fn a_list_in_the_middle_is_added_to_at_its_own_indentation() {
        let text = "#cloud-config\r\nruncmd: # mine\r\n- |\r\n  echo a\r\n  - no item\r\n  # the end\r\n\r\n# of two\r\n- echo b\r\nhostname: x\r\n";
        assert_eq!(added(text), text.replace("- echo b\r\n", &format!("- echo b\r\n- {COMMAND}\r\n")));
    }

    #[test]
    fn forms_that_cannot_be_added_to_are_refused() {
        for text in [
            "#!/bin/sh\necho mine\n",
            "hostname: x\n",
            "#cloud-config\n{hostname: x}\n",
            "#cloud-config\n  hostname: x\n",
            "#cloud-config\nruncmd: [[ls]]\n",
            "#cloud-config\nruncmd:\nhostname: x\n",
            "#cloud-config\nruncmd:\n- ls\n'runcmd':\n- ls\n",
            "#cloud-config\nhostname: x\n---\nhostname: y\n",
        ] {
            assert!(with_script(text, SCRIPT).is_err(), "{text}");
        }
        for by_hand in [
            "#!/bin/sh\nsh /boot/firmware/counterfoil/install.sh\n",
            "#cloud-config\nruncmd: [ [ sh, /boot/firmware/counterfoil/install.sh ] ]\n",
        ] {
            assert_eq!(with_script(by_hand, SCRIPT).unwrap(), by_hand);
        }
    }
}
