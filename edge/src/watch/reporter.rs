//! Writes an [`Answer`] to the journal, shows it on the panel, and prints it, in this order.

use std::io::{self, Write};

use counterfoil_models::protocol::Drift;
use counterfoil_models::{Judgement, Verdict};
use serde::Serialize;

use super::Log;
use super::answer::Answer;
use super::vote::Statement;
use crate::detector::source::printable;
use crate::show::indicator::Signal;
use crate::show::panel::{News, Panel};
use crate::show::screen::Words;
use crate::store::journal::{Entry, Journal};

/// Writes the answers of the loop to the journal, the panel and standard output.
pub struct Reporter<'a, W> {
    out: &'a mut W,
    json: bool,
    journal: Option<Journal>,
    panel: Panel,
    each: bool,
    fault: Option<String>,
    log: Log,
}

impl<'a, W: Write> Reporter<'a, W> {
    /// Prints lines of text or JSON to `out`. With `each`, every answer is shown in turn, because each is about
    /// another picture file; otherwise a new answer replaces older ones.
    pub fn new(out: &'a mut W, json: bool, journal: Option<Journal>, panel: Panel, each: bool, log: Log) -> Self {
        Self { out, json, journal, panel, each, fault: None, log }
    }

    /// Reports a fault of the camera. Repetitions are shown and not logged.
    pub(super) fn fault(&mut self, what: &str) {
        if self.fault.as_deref() != Some(what) {
            (self.log)(&format!("{what}; trying again"));
            self.fault = Some(what.to_owned());
        }
        let words = Words { large: "NO CAMERA".into(), small: [what.to_owned(), String::new()] };
        self.show(News { signal: Signal::Fault, words });
    }

    /// Reports that the fault is over.
    pub(super) fn works(&mut self) {
        if self.fault.take().is_some() {
            (self.log)("there are pictures again");
            let words = Words { large: "READY".into(), small: <[String; 2]>::default() };
            // Queued, so that even a short fault is shown.
            self.panel.show_after(News { signal: Signal::Nothing, words });
        }
    }

    fn show(&self, news: News) {
        if self.each {
            self.panel.show_after(news);
        } else {
            self.panel.show(news);
        }
    }

    /// Reports an answer of the bundle with the identifier `bundle`.
    ///
    /// # Errors
    /// When `out` cannot be written. A journal that cannot be written is logged.
    pub(super) fn tell(&mut self, answer: &Answer, bundle: &str) -> io::Result<()> {
        // A verdict is recorded before it is shown.
        if let (Some(journal), Statement::Verdict(verdict, judgement)) = (&mut self.journal, &answer.said) {
            let file = answer.name.as_ref().map(|name| name.to_string_lossy().into_owned());
            let entry = Entry { file, ..Entry::now(answer.picture.clone(), *verdict, judgement, bundle) };
            if let Err(error) = journal.append(&entry) {
                (self.log)(&error.to_string());
            }
        }
        self.show(answer.news());
        if self.json {
            writeln!(self.out, "{}", serde_json::to_string(&Line::from(answer))?)?;
        } else {
            writeln!(self.out, "{}", sentence(answer))?;
        }
        self.out.flush()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    said: &'a str,
    #[serde(flatten)]
    judged: Option<Judged>,
    picture: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<Drift>,
}

#[derive(Serialize)]
struct Judged {
    score: f32,
    p_value: f64,
}

impl From<&Judgement> for Judged {
    fn from(judgement: &Judgement) -> Self {
        Self { score: judgement.score().get(), p_value: judgement.p_value() }
    }
}

impl<'a> From<&'a Answer> for Line<'a> {
    fn from(answer: &'a Answer) -> Self {
        let (said, judged) = match answer.shown() {
            Statement::Nothing => ("nothing", None),
            Statement::Unjudged => ("unjudged", None),
            Statement::Verdict(verdict, judgement) => (word(verdict), Some(Judged::from(&judgement))),
        };
        let path = answer.name.as_ref().map(|name| name.to_string_lossy().into_owned());
        let error = answer.why.as_ref().map(ToString::to_string);
        Self { said, judged, picture: &answer.picture, path, error, drift: answer.drift }
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Genuine => "genuine",
        Verdict::Unsure => "unsure",
        Verdict::Counterfeit => "counterfeit",
    }
}

fn sentence(answer: &Answer) -> String {
    let name = answer.name.as_ref().map(|name| format!("  {}", printable(name))).unwrap_or_default();
    match answer.shown() {
        Statement::Nothing => format!("nothing there{name}"),
        Statement::Verdict(verdict, judgement) => {
            format!("{verdict:<11}  {:>10.4}  {:>7.4}{name}", judgement.score().get(), judgement.p_value())
        }
        Statement::Unjudged => {
            let why = answer.why.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{:<11}  {:>10}  {:>7}{name}  {why}", "not judged", "-", "-")
        }
    }
}
