//! An [`Answer`] is written down, shown by lights and screen, and printed, in this order.

use std::io::{self, Write};

use counterfoil_edge::agreement::Said;
use counterfoil_edge::indicator::Signal;
use counterfoil_edge::journal::{Entry, Journal};
use counterfoil_edge::panel::{News, Panel};
use counterfoil_edge::screen::Words;
use counterfoil_edge::watch::Answer;
use counterfoil_models::{Judgement, Verdict};
use serde::Serialize;

use super::super::detect::printable;
use super::say;

/// Says what was found: to the lights, the journal and whoever reads stdout.
pub(super) struct Teller<'a, W> {
    pub(super) out: &'a mut W,
    pub(super) json: bool,
    pub(super) journal: Option<Journal>,
    pub(super) panel: Panel,
    /// Whether all that is told is shown one after the other, because each is about another picture file.
    pub(super) each: bool,
    /// The camera's fault, while it lasts.
    pub(super) said_fault: Option<String>,
}

impl<W: Write> Teller<'_, W> {
    /// A camera's fault, once.
    pub(super) fn fault(&mut self, what: &str) {
        if self.said_fault.as_deref() != Some(what) {
            say(&format!("{what}; trying again"));
            self.said_fault = Some(what.to_owned());
        }
        let words = Words { large: "NO CAMERA".into(), small: [what.to_owned(), String::new()] };
        self.show(News { signal: Signal::Fault, words });
    }

    /// The fault is over.
    pub(super) fn works(&mut self) {
        if self.said_fault.take().is_some() {
            say("there are pictures again");
            let words = Words { large: "READY".into(), small: <[String; 2]>::default() };
            // A fault that was short is seen all the same.
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

    pub(super) fn tell(&mut self, answer: &Answer, bundle: &str) -> io::Result<()> {
        // What the light shows was written down before.
        if let (Some(journal), Said::Verdict(verdict, judgement)) = (&mut self.journal, &answer.said) {
            let file = answer.name.as_ref().map(|name| name.to_string_lossy().into_owned());
            let entry = Entry { file, ..Entry::now(answer.picture.clone(), *verdict, judgement, bundle) };
            journal.append(&entry).unwrap_or_else(|e| say(&e.to_string()));
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
        let (said, judged) = match &answer.said {
            Said::Nothing => ("nothing", None),
            Said::Unjudged => ("unjudged", None),
            Said::Verdict(verdict, judgement) => (word(*verdict), Some(Judged::from(judgement))),
        };
        let path = answer.name.as_ref().map(|name| name.to_string_lossy().into_owned());
        Self { said, judged, picture: &answer.picture, path, error: answer.why.as_ref().map(ToString::to_string) }
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
    match &answer.said {
        Said::Nothing => format!("nothing there{name}"),
        Said::Verdict(verdict, judgement) => {
            format!("{verdict:<11}  {:>10.4}  {:>7.4}{name}", judgement.score().get(), judgement.p_value())
        }
        Said::Unjudged => {
            let why = answer.why.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{:<11}  {:>10}  {:>7}{name}  {why}", "not judged", "-", "-")
        }
    }
}
