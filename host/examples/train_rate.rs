//! How fast the game is played here: real pictures a second of both nets at 32x32 grey, on noise.
//!
//! `cargo run --release -p counterfoil-host --example train_rate`; docs/decisions compares it with stock candle and PyTorch.

use std::time::Instant;

use counterfoil_host::data::Samples;
use counterfoil_host::stream::Deck;
use counterfoil_host::train::{Config, Draw, Game, Net};

const SHAPE: (usize, usize, usize) = (1, 32, 32);
const SECONDS: f64 = 10.0;

fn main() -> anyhow::Result<()> {
    let (channels, height, width) = SHAPE;
    let noise = (0..256 * channels * height * width).map(|i| ((i * 2_654_435_761) >> 13) as u8).collect();
    let samples = Samples::new(channels, height, width, noise)?;
    for net in [Net::Dcgan, Net::Mlp] {
        let config = Config::new(net);
        let mut game = Game::new(&config, &samples)?;
        let mut deck = Deck::new(config.seed, samples.len());
        let mut round = |game: &mut Game| game.round(&Draw::of(&config, &samples, &mut deck, game.step())?);
        round(&mut game)?; // the first warms memory and caches
        let (started, first) = (Instant::now(), game.step());
        while started.elapsed().as_secs_f64() < SECONDS {
            round(&mut game)?;
        }
        let images = (game.step() - first) as f64 * config.batch as f64;
        eprintln!("{net:?}, batch {}: {:.0} images/s", config.batch, images / started.elapsed().as_secs_f64());
    }
    Ok(())
}
