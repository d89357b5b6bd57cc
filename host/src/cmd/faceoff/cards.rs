//! `counterfoil faceoff cards`: sealed cards to print, with a face and a back for each exhibit.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use counterfoil_host::game::cards;
use counterfoil_models::ensure_free;
use minijinja::{Environment, context};
use qrcode::QrCode;
use qrcode::render::svg;

/// Makes sealed cards for exhibits that lie on a table, as a page to print, fold and glue
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil faceoff cards --genuine 6 --counterfeit 6 --out cards.html")]
pub(crate) struct Cards {
    /// Number of genuine exhibits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=200))]
    genuine: u16,
    /// Number of counterfeit exhibits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=200))]
    counterfeit: u16,
    /// Output page
    #[arg(long, value_name = "FILE", default_value = "cards.html")]
    out: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

const PAGE: &str = include_str!("cards.html");

impl Cards {
    pub(crate) fn run(self) -> Result<()> {
        // Printed cards open only with the backs on their own page, so the page is not overwritten without --force.
        ensure_free(&self.out, self.force)?;
        let kinds = (0..self.genuine).map(|_| true).chain((0..self.counterfeit).map(|_| false));
        let mut made = Vec::new();
        for genuine in kinds {
            let back = cards::back(genuine)?;
            let face = cards::face(&back);
            let (face_code, back_code) = (code(&face)?, code(&back)?);
            made.push(context! { genuine, face, back, face_code, back_code });
        }
        let page =
            Environment::new().render_str(PAGE, context! { cards => &made }).context("the page cannot be made")?;
        fs::write(&self.out, page).with_context(|| format!("cannot write {}", self.out.display()))?;
        eprintln!(
            "{} cards in {}: print it, cut, fold, and glue shut with the face outside",
            made.len(),
            self.out.display()
        );
        Ok(())
    }
}

fn code(text: &str) -> Result<String> {
    let code = QrCode::new(text).context("the code cannot be drawn")?;
    Ok(code.render::<svg::Color>().min_dimensions(160, 160).quiet_zone(true).build())
}
