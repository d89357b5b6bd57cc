//! The operator at the table, by the terminal: a scanner types like a keyboard.

use std::io::{self, Write};

use anyhow::{Context, Result, ensure};
use counterfoil_host::game::referee::Operator;

/// An operator that reads from the terminal.
pub(super) struct Terminal;

impl Operator for Terminal {
    fn lay(&mut self, round: usize, rounds: usize) -> Result<()> {
        ask(&format!("lay exhibit {round} of {rounds} on the table, take your hands away, and press Enter ")).map(drop)
    }

    fn face(&mut self, round: usize) -> Result<String> {
        ask(&format!("scan the face of exhibit {round}'s card: "))
    }

    fn back(&mut self, round: usize) -> Result<String> {
        ask(&format!("everybody has answered; scan the back of exhibit {round}'s card: "))
    }
}

fn ask(what: &str) -> Result<String> {
    eprint!("{what}");
    io::stderr().flush().context("cannot write to stderr")?;
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line).context("cannot read from the terminal")?;
    ensure!(read > 0, "the input ended in mid-game; --resume goes on with it");
    Ok(line.trim().to_owned())
}
