//! Metrics of the box in the text format of Prometheus (0.0.4).

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use counterfoil_models::naming::printable;
use counterfoil_models::protocol::Drift;

use super::state::AppState;

pub(super) async fn metrics(State(state): State<Arc<AppState>>) -> Response {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&state, &mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

fn write(state: &AppState, text: &mut String) -> fmt::Result {
    let now = state.live.now();
    let tally = now.tally;
    let frames =
        [("judged", tally.judged), ("nothing", tally.passed), ("failed", tally.failed), ("damaged", tally.damaged)];
    head(text, "frames_total", "counter", "Frames of the camera, by what came of them.")?;
    for (outcome, count) in frames {
        writeln!(text, "counterfoil_frames_total{{outcome=\"{outcome}\"}} {count}")?;
    }
    for (name, kind, help, value) in [
        ("frame_seconds_total", "counter", "Time spent on the camera's frames.", tally.spent.as_secs_f64()),
        (
            "frame_age_seconds_max",
            "gauge",
            "The oldest that a frame was when its judging began.",
            tally.oldest.as_secs_f64(),
        ),
        ("camera_fault", "gauge", "Whether the camera gives no pictures.", f64::from(u8::from(now.fault.is_some()))),
        (
            "pictures_judged_total",
            "counter",
            "Pictures judged for others.",
            state.judged.load(Ordering::Relaxed) as f64,
        ),
        (
            "refused_total",
            "counter",
            "Requests without a token that counts.",
            state.refused.load(Ordering::Relaxed) as f64,
        ),
        (
            "drift_since_seconds",
            "gauge",
            "When the genuine ones began to look different, or too many to be called counterfeit, in seconds since 1970; 0 while neither is so.",
            now.drift.map_or(0.0, |drift| drift.since_ms() as f64 / 1e3),
        ),
        ("uptime_seconds", "gauge", "Seconds since the box was started.", state.live.uptime().as_secs_f64()),
    ] {
        head(text, name, kind, help)?;
        writeln!(text, "counterfoil_{name} {value}")?;
    }
    head(
        text,
        "drift",
        "gauge",
        "Whether the genuine ones look different (changed), or too many are called counterfeit (rejections).",
    )?;
    let kinds = [
        ("changed", matches!(now.drift, Some(Drift::Changed { .. }))),
        ("rejections", matches!(now.drift, Some(Drift::Rejections { .. }))),
    ];
    for (kind, holds) in kinds {
        writeln!(text, "counterfoil_drift{{kind=\"{kind}\"}} {}", u8::from(holds))?;
    }
    let detector = state.live.detector();
    let manifest = detector.bundle().manifest();
    head(text, "model_info", "gauge", "The model that judges.")?;
    let name = printable(&manifest.name).replace('\\', "\\\\").replace('"', "\\\"");
    writeln!(text, "counterfoil_model_info{{name=\"{name}\",id=\"{}\"}} {}", detector.bundle().id(), manifest.counter)
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP counterfoil_{name} {help}\n# TYPE counterfoil_{name} {kind}")
}
