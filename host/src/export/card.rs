//! Writes the model card, the `README.md` of a bundle: its purpose, its measured rates, and what it must not be used
//! for.

use std::fmt::Write as _;

use counterfoil_models::Manifest;

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
    line(format_args!(
        "A counterfeit detector made by Counterfoil {}: a `{}` trained on {} genuine pictures with seed {}, {} steps.\n",
        training.revision, training.net, training.genuine, training.seed, training.steps
    ));
    line(format_args!("## What it is for\n"));
    line(format_args!(
        "Telling pictures like those it was trained on from counterfeits of them, at a false-alarm rate of {} % that was \
         calibrated on {} genuine pictures it never trained on; up to {:.0} % more of the genuine are *unsure*. It takes {} region(s) of a \
         picture, {}x{} {:?}.\n",
        100.0 * calibration.alpha(),
        calibration.scores().len(),
        100.0 * (calibration.unsure_up_to() - calibration.alpha()),
        input.rows(),
        input.width,
        input.height,
        input.color
    ));
    if let Some(enrolment) = enrolment {
        line(format_args!(
            "It also holds pictures to references of one item or writer (`counterfoil-edge enroll`), at the same rate, calibrated on \
             held-out pictures of items or writers it never trained on; those of one group resemble each other, so they are worth fewer:\n"
        ));
        line(format_args!("| references | pictures | groups | worth |\n|---|---|---|---|"));
        for level in &enrolment.levels {
            let pictures = level.calibration.scores().len();
            line(format_args!("| {} | {pictures} | {} | {:.0} |", level.references, level.groups, level.effective));
        }
        line(format_args!(""));
    }
    line(format_args!("## What it measured\n"));
    match measurement {
        None => line(format_args!(
            "Nothing yet: it was exported without `--measure`. `counterfoil eval --bundle ... --genuine ... --fake ...` measures it.\n"
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
    line(format_args!("Engines that gave the same numbers when it was made:\n"));
    for engine in engines {
        line(format_args!(
            "- {} {}: {} pictures, at most {:.1e} apart",
            engine.engine, engine.version, engine.pictures, engine.max_difference
        ));
    }
    line(format_args!("\n## What it must not be used for\n"));
    line(format_args!(
        "Deciding alone about anything that matters to somebody, people's signatures before all. *Genuine* is no proof: it says that nothing \
         was unlike the training pictures. It has not been shown other articles, other cameras or other light than those; a forger it \
         catches poorly is in the table above, and there are forgers that are not. Calibrate it again on pictures from the camera it will \
         look through. The whole page: docs/not-for.md in Counterfoil's source."
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
