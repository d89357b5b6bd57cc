//! Writes the model card, the `README.md` of a bundle: its purpose, its measured rates, and what it must not be used
//! for.

use std::fmt::Write as _;

use counterfoil_models::{Article, Manifest, Measured};

use crate::detector::Kind;
use crate::detector::appearance::Tolerance;
use crate::eval::{Baseline, Estimate, Evaluation};

/// The measurements for a bundle's card and manifest, made before the bundle is written.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// The pictures that were used, in words.
    pub on: String,
    /// The evaluation of the detector itself.
    pub own: Evaluation,
    /// The evaluations of the baselines on the same pictures.
    pub baselines: Vec<Baseline>,
}

/// The text of the card, in Markdown.
#[must_use]
pub(super) fn card(manifest: &Manifest, measurement: Option<&Measurement>) -> String {
    let Manifest { name, input, calibration, enrolment, training, engines, .. } = manifest;
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments| {
        text.write_fmt(words).and_then(|()| text.write_char('\n')).expect("a string takes any text");
    };
    line(format_args!("# {name}\n"));
    if training.net == Kind::Imported.to_string() {
        line(format_args!(
            "A detector that another program trained, imported by Counterfoil {}. What it learned from is not known here.\n",
            training.revision
        ));
    } else {
        line(format_args!(
            "A counterfeit detector made by Counterfoil {}: a `{}` trained on {} genuine pictures with seed {}, {} steps.\n",
            training.revision, training.net, training.genuine, training.seed, training.steps
        ));
    }
    line(format_args!("## What it is for\n"));
    line(format_args!(
        "It tells genuine pictures like those it was trained on from counterfeits of them. Its false-alarm rate is {} %, calibrated on {} \
         genuine pictures that it was not trained on; up to {:.0} % more of the genuine pictures are *unsure*. It looks at {} region(s) of a \
         picture, each scaled to {}x{} {:?}.\n",
        100.0 * calibration.alpha(),
        calibration.scores().len(),
        100.0 * (calibration.unsure_up_to() - calibration.alpha()),
        input.rows(),
        input.width,
        input.height,
        input.color
    ));
    for words in camera_and_article(manifest) {
        line(format_args!("{words}"));
    }
    if let Some(enrolment) = enrolment {
        line(format_args!(
            "It can also compare a picture with enrolled references of one item or writer (`counterfoil-edge enroll`), at the same rate. This is \
             calibrated on held-out items or writers. Pictures of one group resemble each other, so they are worth fewer independent ones:\n"
        ));
        line(format_args!("| references | pictures | groups | independent pictures |\n|---|---|---|---|"));
        for level in &enrolment.levels {
            let pictures = level.calibration.scores().len();
            line(format_args!("| {} | {pictures} | {} | {:.0} |", level.references, level.groups, level.effective));
        }
        line(format_args!(""));
    }
    line(format_args!("## What it measured\n"));
    match measurement {
        None => line(format_args!(
            "Nothing yet: it was exported without `--measure`. Measure it with `counterfoil eval --bundle ... --genuine ... --fake ...`.\n"
        )),
        Some(measurement) => {
            line(format_args!(
                "On {}: {} genuine pictures and {} counterfeits, none of them seen in training. 95 % bootstrap intervals.\n",
                measurement.on, measurement.own.genuine, measurement.own.fake
            ));
            line(format_args!("| detector | AUROC | EER | TPR at 1 % FPR | false alarms |\n|---|---|---|---|---|"));
            let rows = measurement.baselines.iter().map(|b| (b.name.as_str(), &b.evaluation));
            for (name, evaluation) in std::iter::once((name.as_str(), &measurement.own)).chain(rows) {
                let m = &evaluation.overall;
                let cells = [m.auroc, m.eer, m.tpr_at_fpr01, m.false_alarm_rate].map(cell).join(" | ");
                line(format_args!("| {name} | {cells} |"));
            }
            line(format_args!(
                "\n| family of counterfeits | pictures | AUROC | caught at the calibrated threshold |\n|---|---|---|---|"
            ));
            for (family, found) in &measurement.own.families {
                let (auroc, caught) = (cell(found.metrics.auroc), cell(found.metrics.detection_rate));
                line(format_args!("| {family} | {} | {auroc} | {caught} |", found.fake));
            }
            line(format_args!(""));
        }
    }
    line(format_args!("Engines that agreed when it was exported:\n"));
    for engine in engines {
        line(format_args!(
            "- {} {}: {} pictures, at most {:.1e} apart",
            engine.engine, engine.version, engine.pictures, engine.max_difference
        ));
    }
    line(format_args!("\n## What it must not be used for\n"));
    line(format_args!(
        "It must not decide alone about anything that matters to a person, least of all about signatures. *Genuine* is no proof: it means that \
         nothing was unlike the training pictures. It knows no other article, camera or light than those of its training pictures. The table \
         above shows which counterfeits it catches poorly, and other forgers are not in the table. Calibrate it again on pictures from the \
         camera that it will use. The whole page is docs/not-for.md in Counterfoil's source."
    ));
    text
}

fn cell(estimate: Estimate) -> String {
    if estimate.is_known() {
        format!("{:.3} ({:.3} to {:.3})", estimate.value, estimate.low, estimate.high)
    } else {
        "–".to_owned()
    }
}

/// What is said of how the article is found, and of the camera.
fn camera_and_article(manifest: &Manifest) -> Vec<String> {
    let Manifest { input, calibration, training, .. } = manifest;
    let mut lines = Vec::new();
    match input.article {
        Article::Whole => {}
        Article::Registered => lines.push(
            "Each picture is moved, turned and lit a little first, so that it lies over the mean genuine picture.\n"
                .to_owned(),
        ),
        article => lines.push(format!(
            "The article is found in the picture first (`{}`). A picture in which it is not found is not judged.\n",
            article.name()
        )),
    }
    if let Some(tolerance) = &training.tolerance {
        lines.push(format!(
            "It was calibrated on genuine pictures, every second one changed as another shot of it may be (`--tolerate {tolerance}`): under such \
             changes at most twice the stated rate are called counterfeit.\n"
        ));
    }
    if let Some(whole) = &training.whole_picture {
        let [width, height] = whole.detector;
        lines.push(format!(
            "The detective sees the picture at {width}x{height}. The appearance of the whole picture is compared with the genuine ones, too. \
             One picture takes {:.0} million multiply-adds. This share of the {} calibration pictures \
             is called counterfeit when they are changed as another camera would:\n",
            whole.multiply_adds as f64 / 1e6,
            calibration.scores().len()
        ));
        lines.push("| `--tolerate` | called counterfeit |\n|---|---|".to_owned());
        for tolerance in Tolerance::ALL.map(|tolerance| tolerance.to_string()) {
            if let Some(Measured { value, low, high }) = whole.false_alarms.get(&tolerance) {
                lines.push(format!("| {tolerance} | {value:.3} ({low:.3} to {high:.3}) |"));
            }
        }
        lines.push(String::new());
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use counterfoil_models::{Bundle, Verdict};

    use super::*;
    use crate::eval::{Bootstrap, Scored, evaluate};

    /// Scores 0 to 1 of genuine pictures and -0.5 to 0.5 of counterfeits.
    fn evaluation() -> Evaluation {
        let one = |index: usize, family: Option<&str>, score: f32| Scored {
            path: index.to_string(),
            family: family.map(str::to_owned),
            group: None,
            score,
            p_value: f64::from(score.clamp(0.001, 1.0)),
            verdict: if score < 0.05 { Verdict::Counterfeit } else { Verdict::Genuine },
        };
        let genuine = (0..100).map(|index| one(index, None, index as f32 / 100.0));
        let fakes = (0..100).map(|index| one(index, Some(["rescan", "toner"][index % 2]), index as f32 / 100.0 - 0.5));
        evaluate(&genuine.chain(fakes).collect::<Vec<_>>(), Bootstrap::default()).unwrap()
    }

    #[test]
    fn the_card_reads_well_with_a_measurement_and_without() {
        let pretrained = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained/specimen-note-statistics");
        let mut manifest = Bundle::open(&pretrained).unwrap().manifest().clone();
        manifest.training.revision = "0.0.0 (0000000)".to_owned();
        for engine in &mut manifest.engines {
            (engine.version, engine.max_difference) = ("1.0.0".to_owned(), 2e-5);
        }
        let baseline = Baseline { name: "best single number".to_owned(), evaluation: evaluation(), scored: Vec::new() };
        let measurement = Measurement { on: "specimen notes".to_owned(), own: evaluation(), baselines: vec![baseline] };
        insta::assert_snapshot!("measured", card(&manifest, Some(&measurement)));
        insta::assert_snapshot!("unmeasured", card(&manifest, None));
    }
}
