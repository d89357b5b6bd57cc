//! The record of a game: one line for each event, chained by hashes.
//!
//! ```text
//! {"entry":{"kind":"begin",...},"chain":"..."}      the contestants, and the digest of the sealed labels
//! {"entry":{"kind":"round",...},"chain":"..."}      an exhibit's SHA-256, and the answers
//! {"entry":{"kind":"end",...},"chain":"..."}        the opened seal, and the outcome
//! ```
//!
//! The chain of a line is the SHA-256 of the previous chain and of the line's own entry as written. So no byte of a
//! finished record can be changed without changing all later lines. Lines are written whole and synced: after a
//! crash, the referee continues with the same record.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use counterfoil_models::game::{Answer, Outcome, Seal};
use counterfoil_models::sha256_hex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Start value of the chain.
const ROOT: &str = "counterfoil-faceoff-1";

/// One event of a game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// The game begins.
    Begin(Begin),
    /// An exhibit was judged.
    Round(Round),
    /// The game is over.
    End(End),
}

/// The first entry of a game: its rules and contestants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Identifier of the game, also sent to the boxes.
    pub game: String,
    /// Names of the contestants. People may join later and are not listed.
    pub contestants: Vec<String>,
    /// Number of rounds.
    pub rounds: usize,
    /// Time to answer, in seconds.
    pub deadline: f64,
    /// [`Seal::digest`] of the labels. `None` when each exhibit has its own sealed card.
    pub seal: Option<String>,
    /// Whether boxes look through their own cameras.
    pub look: bool,
}

/// The entry of one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Number of the round, counted from 1.
    pub round: usize,
    /// SHA-256 of the exhibit as it was shown, in hex. `None` when the exhibit lay on the table.
    pub exhibit: Option<String>,
    /// Face and back of the exhibit's card, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub card: Option<(String, String)>,
    /// Each contestant's name and answer, with the time on the referee's clock.
    pub answers: Vec<(String, Answer)>,
}

/// The last entry of a game: its labels and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The opened seal: the labels in the order of play.
    pub opened: Seal,
    /// Names of the exhibits, in the order of play.
    pub exhibits: Vec<String>,
    /// Standings and statistics.
    pub outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    entry: &'a RawValue,
    chain: String,
}

/// A record that is being written.
#[derive(Debug)]
pub struct Transcript {
    path: PathBuf,
    file: File,
    chain: String,
}

impl Transcript {
    /// Creates a new record.
    ///
    /// # Errors
    /// Returns an error when the file already exists, or cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path).with_context(|| format!("cannot begin {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), file, chain: ROOT.into() })
    }

    /// Opens an unfinished record to continue it, and returns its entries. An incomplete last line, as a crash leaves
    /// it, is cut off.
    ///
    /// # Errors
    /// Returns an error when the file is not a record, or was changed.
    pub fn resume(path: &Path) -> Result<(Self, Vec<Entry>)> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (entries, chain) =
            entries(&text[..whole]).with_context(|| format!("{} cannot be taken up", path.display()))?;
        let mut file =
            File::options().write(true).open(path).with_context(|| format!("cannot write {}", path.display()))?;
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        Ok((Self { path: path.to_path_buf(), file, chain }, entries))
    }

    /// Appends an entry. When the function returns, the entry is safe on the disk.
    ///
    /// # Errors
    /// Returns an error when the file cannot be written, for example because the disk is full.
    pub fn write(&mut self, entry: &Entry) -> Result<()> {
        let entry = serde_json::value::to_raw_value(entry)?;
        let chain = bound(&self.chain, entry.get());
        let mut line = serde_json::to_vec(&Line { entry: &entry, chain: chain.clone() })?;
        line.push(b'\n');
        let wrote = self.file.write_all(&line).and_then(|()| self.file.sync_all());
        wrote.with_context(|| {
            format!("the game cannot be written to {}; make room and resume it", self.path.display())
        })?;
        self.chain = chain;
        Ok(())
    }
}

/// Reads a finished game from its record and verifies it.
///
/// # Errors
/// Returns an error when a byte was changed, the game is not finished, the seal does not open, or the outcome does
/// not follow from the answers.
pub fn verified(text: &[u8]) -> Result<(Begin, Vec<Round>, End)> {
    let (entries, _) = entries(text)?;
    let mut entries = entries.into_iter();
    let Some(Entry::Begin(begin)) = entries.next() else { bail!("it does not begin with who plays") };
    let mut rounds = Vec::new();
    let mut end = None;
    for entry in entries {
        match entry {
            Entry::Round(round) if end.is_none() && round.round == rounds.len() + 1 => rounds.push(round),
            Entry::End(found) if end.is_none() => end = Some(found),
            _ => bail!("its lines are out of order"),
        }
    }
    let end = end.context("the game is not finished; `counterfoil faceoff --resume` goes on with it")?;
    ensure!(rounds.len() == begin.rounds, "{} rounds were to be played, {} were", begin.rounds, rounds.len());
    ensure!(
        end.opened.genuine.len() == rounds.len(),
        "the seal holds {} labels for {} rounds",
        end.opened.genuine.len(),
        rounds.len()
    );
    match &begin.seal {
        Some(digest) => {
            ensure!(end.opened.opens(digest), "the opened labels are not those that were sealed before the game");
        }
        None => {
            for (round, genuine) in rounds.iter().zip(&end.opened.genuine) {
                let card = round.card.as_ref().with_context(|| format!("round {} has no card", round.round))?;
                ensure!(
                    super::cards::opens(card) == Some(*genuine),
                    "the card of round {} does not open to its label",
                    round.round
                );
            }
        }
    }
    ensure!(outcome(&rounds, &end.opened.genuine) == end.outcome, "the outcome does not follow from the answers");
    Ok((begin, rounds, end))
}

/// Computes standings and statistics from the answers. A contestant that answered in any round counts in all rounds.
#[must_use]
pub fn outcome(rounds: &[Round], genuine: &[bool]) -> Outcome {
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in rounds.iter().flat_map(|round| &round.answers) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let silent = Answer { verdict: None, seconds: 0.0 };
    let of = |name: &String| {
        let in_round =
            |round: &Round| round.answers.iter().find(|(other, _)| other == name).map_or(silent, |(_, answer)| *answer);
        (name.clone(), rounds.iter().map(in_round).collect())
    };
    let sheets: Vec<(String, Vec<Answer>)> = names.into_iter().map(of).collect();
    Outcome::new(&sheets, genuine)
}

fn bound(before: &str, entry: &str) -> String {
    sha256_hex(format!("{before}\n{entry}").as_bytes())
}

/// Parses and verifies the lines of a record. Returns the entries and the last chain.
fn entries(text: &[u8]) -> Result<(Vec<Entry>, String)> {
    let text = std::str::from_utf8(text).context("it is not text")?;
    let lines = text.strip_suffix('\n').context("its last line is not whole")?;
    let mut chain = ROOT.to_owned();
    let mut entries = Vec::new();
    for (number, text) in lines.split('\n').enumerate() {
        let at = || format!("line {}", number + 1);
        let line: Line = serde_json::from_str(text).with_context(at)?;
        chain = bound(&chain, line.entry.get());
        let entry: Entry = serde_json::from_str(line.entry.get()).with_context(at)?;
        // The line must be byte for byte the one that would be written.
        let (again, entry_again) = (serde_json::to_string(&line), serde_json::to_string(&entry));
        ensure!(
            line.chain == chain && again? == text && entry_again? == line.entry.get(),
            "{}: it was changed after it was written",
            at()
        );
        entries.push(entry);
    }
    Ok((entries, chain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_models::Verdict;

    fn answer(verdict: Verdict, seconds: f64) -> Answer {
        Answer { verdict: Some(verdict), seconds }
    }

    /// A complete game of three rounds.
    fn game(path: &Path) {
        let seal = Seal { salt: "00".repeat(32), genuine: vec![true, false, true] };
        let mut transcript = Transcript::create(path).unwrap();
        let begin = Begin {
            game: "g".into(),
            contestants: vec!["a".into(), "b".into()],
            rounds: 3,
            deadline: 5.0,
            seal: Some(seal.digest()),
            look: false,
        };
        transcript.write(&Entry::Begin(begin)).unwrap();
        let mut rounds = Vec::new();
        for round in 1..=3 {
            let answers = vec![
                ("a".into(), answer(Verdict::Genuine, 0.125)),
                ("b".into(), Answer { verdict: None, seconds: 5.0 }),
            ];
            let round = Round { round, exhibit: Some("ff".into()), card: None, answers };
            transcript.write(&Entry::Round(round.clone())).unwrap();
            rounds.push(round);
        }
        let outcome = outcome(&rounds, &seal.genuine);
        let exhibits = vec!["x".into(), "y".into(), "z".into()];
        transcript.write(&Entry::End(End { opened: seal, exhibits, outcome })).unwrap();
    }

    #[test]
    fn a_whole_game_is_sound_and_with_any_byte_changed_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("game.jsonl");
        game(&path);
        let text = fs::read(&path).unwrap();
        let (begin, rounds, end) = verified(&text).unwrap();
        assert_eq!((begin.game.as_str(), rounds.len(), end.outcome.standings[0].points), ("g", 3, 1));
        for at in 0..text.len() {
            for flip in [1, 32] {
                let mut changed = text.clone();
                changed[at] ^= flip;
                assert!(verified(&changed).is_err(), "byte {at} of {}", String::from_utf8_lossy(&changed));
            }
            let mut shorter = text.clone();
            shorter.remove(at);
            assert!(verified(&shorter).is_err(), "byte {at} removed");
        }
        // The same entries in another form, under a chain that was computed anew.
        for other in [|entry: &str| entry.replacen(':', ": ", 1), |entry: &str| entry.replacen('{', "{\"more\":0,", 1)]
        {
            let mut chain = ROOT.to_owned();
            let mut rewritten = String::new();
            for line in std::str::from_utf8(&text).unwrap().lines() {
                let entry = other(serde_json::from_str::<Line>(line).unwrap().entry.get());
                chain = bound(&chain, &entry);
                rewritten.extend(["{\"entry\":", &entry, ",\"chain\":\"", &chain, "\"}\n"]);
            }
            assert!(verified(rewritten.as_bytes()).is_err(), "{rewritten}");
        }
        assert!(verified(String::from_utf8(text).unwrap().replace('\n', "\r\n").as_bytes()).is_err());
    }

    #[test]
    fn a_torn_game_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("game.jsonl");
        game(&path);
        let text = fs::read(&path).unwrap();
        let ends: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'\n').map(|at| at + 1).collect();
        for cut in 0..=text.len() {
            fs::write(&path, &text[..cut]).unwrap();
            if cut < ends[0] {
                assert!(Transcript::resume(&path).is_err(), "a game that has not begun");
                continue;
            }
            let (mut transcript, entries) = Transcript::resume(&path).unwrap();
            assert_eq!(entries.len(), ends.iter().filter(|end| **end <= cut).count());
            // The next line must be chained to the lines that were kept.
            transcript
                .write(&Entry::Round(Round { round: 9, exhibit: None, card: None, answers: Vec::new() }))
                .unwrap();
            assert!(Transcript::resume(&path).is_ok());
        }
    }

    #[test]
    fn an_outcome_that_was_made_up_is_refused_though_its_chain_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("game.jsonl");
        game(&path);
        let (_, entries) = Transcript::resume(&path).unwrap();
        for forged in 0..3 {
            let path = dir.path().join(format!("forged-{forged}"));
            let mut transcript = Transcript::create(&path).unwrap();
            for mut entry in entries.clone() {
                match (&mut entry, forged) {
                    (Entry::End(end), 0) => end.outcome.standings[0].points += 1,
                    (Entry::End(end), 1) => end.opened.genuine[1] = true,
                    (Entry::Round(round), 2) if round.round == 2 => continue,
                    _ => {}
                }
                transcript.write(&entry).unwrap();
            }
            assert!(verified(&fs::read(&path).unwrap()).is_err(), "{forged}");
        }
    }
}
