//! Serves the newest camera picture as a JPEG file, for the live page.

use std::io::Cursor;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use counterfoil_models::{Color, Frame};
use image::codecs::jpeg::JpegEncoder;

use super::state::{AppState, refuse};
use crate::camera::{Pixels, Shot};
use crate::{Error, Result, threads};

const QUALITY: u8 = 80;

pub(super) async fn picture(State(state): State<Arc<AppState>>) -> Response {
    let Some(shot) = state.live.now().shot else {
        return refuse(StatusCode::NOT_FOUND, "the camera has shown nothing yet");
    };
    let jpeg = tokio::task::spawn_blocking(move || threads::guarded(|| jpeg(&shot))).await;
    match jpeg {
        Ok(Ok(jpeg)) => {
            ([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "no-store")], jpeg).into_response()
        }
        Ok(Err(error)) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &Error::Panicked),
    }
}

/// The shot as a JPEG file. A shot that is JPEG already is returned unchanged.
fn jpeg(shot: &Shot) -> Result<Vec<u8>> {
    match &shot.pixels {
        Pixels::File(bytes) if bytes.starts_with(b"\xff\xd8") => Ok(bytes.clone()),
        _ => {
            let mut bytes = Cursor::new(Vec::new());
            let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
            let encoded = match shot.frame(Color::Rgb)? {
                Frame::Grey(image) => image.write_with_encoder(encoder),
                Frame::Rgb(image) => image.write_with_encoder(encoder),
            };
            encoded.map_err(|_| Error::Panicked)?;
            Ok(bytes.into_inner())
        }
    }
}
