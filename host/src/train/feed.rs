//! What a round needs from outside the game: samples go in; the real batch, the latents and the detective's negatives come out, prepared
//! rounds ahead.
//!
//! Rows are read, converted and latents drawn on a thread of their own while the trainer plays, so that neither a disk nor the drawing is
//! waited for. A draw is a function of configuration, samples and step: who draws it, and when, changes no number.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use candle_core::{Device, Tensor};
use rand::Rng;
use rayon::prelude::*;

use super::Error;
use super::config::Config;
use crate::data::{DataError, Samples};
use crate::detective::{Part, negative};
use crate::stream::{Deck, normal, stream};

/// Draws that wait for the trainer; one more is being made. A slow read may last two rounds before anyone waits.
const AHEAD: usize = 2;

/// What one round is played with.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Real pictures, [B, H, W, C] in -1..1.
    pub real: Tensor,
    /// Latents, [B, Z].
    pub z: Tensor,
    /// What the detective is shown beside the forger's work, where one looks on.
    pub lesson: Option<Lesson>,
}

/// What a detective is shown beside the genuine rows and the forger's, [N, H, W, C] in -1..1.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Damaged genuine rows.
    pub negatives: Tensor,
    /// Rows of known fakes, where there are any, and how many of them make a picture.
    pub known: Option<(Tensor, usize)>,
}

/// What a run learns from.
#[derive(Clone, Copy, Debug)]
pub struct Exhibits<'a> {
    /// Genuine rows.
    pub genuine: &'a Samples,
    /// Known fakes, family by family, in rows of the same shape.
    pub known: &'a [Samples],
}

impl<'a> From<&'a Samples> for Exhibits<'a> {
    fn from(genuine: &'a Samples) -> Self {
        Self { genuine, known: &[] }
    }
}

impl Draw {
    /// The draw of step `step`, `deck` being dealt from the genuine rows by the configuration's seed.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn of(config: &Config, exhibits: Exhibits, deck: &mut Deck, step: u64) -> Result<Self, Error> {
        let Config { seed, batch, latent, .. } = *config;
        let Exhibits { genuine, known: families } = exhibits;
        let rows: Result<Vec<_>, _> = deck.batch(step, batch).into_iter().map(|index| genuine.row(index)).collect();
        let real = maps(&rows.map_err(unreadable)?, genuine.shape())?;
        let z = normal(&mut stream(seed, "latent", step), batch * latent);
        let draw_for_detective = || -> Result<_, Error> {
            let (forger, pictures) = shares(config, families.first());
            let rows = families.first().map_or(0, |_| batch / 4);
            let negatives = negatives(config, genuine, batch - forger - rows, step).map_err(unreadable)?;
            let known = match families.first() {
                Some(first) => {
                    let rows = known(config, families, pictures, step).map_err(unreadable)?;
                    Some((maps(&rows, genuine.shape())?, first.regions()))
                }
                None => None,
            };
            Ok(Lesson { negatives: maps(&negatives, genuine.shape())?, known })
        };
        Ok(Self {
            real,
            z: Tensor::from_vec(z, (batch, latent), &Device::Cpu)?,
            lesson: config.detective.then(draw_for_detective).transpose()?,
        })
    }
}

/// How many of a step's forged rows come from the forger, and how many known pictures there are beside them; the others are damaged
/// genuine rows. A quarter each, and at least one picture.
pub(super) fn shares(Config { batch, without, .. }: &Config, known: Option<&Samples>) -> (usize, usize) {
    let share = batch / 4;
    let pictures = known.map_or(0, |known| (share / known.regions()).max(1));
    let forger = if without.contains(&Part::Forger) {
        0
    } else if without.contains(&Part::Negatives) {
        batch - known.map_or(0, |_| share)
    } else {
        share
    };
    (forger, pictures)
}

/// Damaged genuine rows, each a function of (seed, step, its place).
fn negatives(config: &Config, genuine: &Samples, count: usize, step: u64) -> Result<Vec<Vec<u8>>, DataError> {
    let forge = |place: usize| {
        let mut rng = stream(config.seed, "negative", step * config.batch as u64 + place as u64);
        let [one, other] = genuine.pair(&mut rng);
        Ok(negative(&genuine.row(one)?, &genuine.row(other)?, genuine.shape(), &mut rng))
    };
    (0..count).into_par_iter().map(forge).collect()
}

/// All rows of some known fakes, each of any family with the same chance.
fn known(config: &Config, families: &[Samples], count: usize, step: u64) -> Result<Vec<Vec<u8>>, DataError> {
    let mut rng = stream(config.seed, "known", step);
    let pictures = (0..count).flat_map(|_| {
        let family = &families[rng.random_range(0..families.len())];
        let regions = family.regions();
        let picture = rng.random_range(0..family.len() / regions);
        (0..regions).map(move |region| family.row(picture * regions + region))
    });
    pictures.collect()
}

fn unreadable(source: DataError) -> Error {
    Error::Samples { source: source.into(), last: None }
}

/// Rows of [C, H, W] bytes as maps [B, H, W, C] on the generator's scale, -1..1.
pub(super) fn maps(rows: &[Vec<u8>], (channels, height, width): (usize, usize, usize)) -> Result<Tensor, Error> {
    let area = height * width;
    let levels: [f32; 256] = std::array::from_fn(|byte| level(byte as u8));
    let mut maps = vec![0.0; rows.len() * area * channels];
    for (picture, row) in maps.chunks_exact_mut(area * channels).zip(rows) {
        for (channel, plane) in row.chunks_exact(area).enumerate() {
            for (to, byte) in picture[channel..].iter_mut().step_by(channels).zip(plane) {
                *to = levels[usize::from(*byte)];
            }
        }
    }
    Ok(Tensor::from_vec(maps, (rows.len(), height, width, channels), &Device::Cpu)?)
}

/// Maps [B, H, W, C] of -1..1 as rows of [C, H, W] bytes: what is left of a forgery in a file.
pub(super) fn rows(maps: &Tensor) -> Result<Vec<Vec<u8>>, Error> {
    let planes = maps.detach().to_device(&Device::Cpu)?.permute((0, 3, 1, 2))?.flatten_from(1)?; // [B, CHW]
    let byte = |x: f32| ((x + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
    Ok(planes.to_vec2::<f32>()?.into_iter().map(|row| row.into_iter().map(byte).collect()).collect())
}

/// A byte on the generator's scale, -1..1.
fn level(byte: u8) -> f32 {
    f32::from(byte) * (1.0 / 255.0) * 2.0 - 1.0
}

/// The draws of one step after another, made ahead.
#[derive(Debug)]
pub struct Feed {
    draws: Receiver<Result<Draw, Error>>,
}

impl Feed {
    /// Begins to draw, with step `first`. The thread ends when the feed is dropped, or after the first error.
    #[must_use]
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        config: &'env Config,
        exhibits: Exhibits<'env>,
        first: u64,
    ) -> Self {
        let (sender, draws) = sync_channel(AHEAD);
        scope.spawn(move || {
            let mut deck = Deck::new(config.seed, exhibits.genuine.len());
            for step in first.. {
                let draw = Draw::of(config, exhibits, &mut deck, step);
                let last = draw.is_err();
                // A refused draw means that the game is over.
                if sender.send(draw).is_err() || last {
                    break;
                }
            }
        });
        Self { draws }
    }

    /// The draw of the next step, waited for if need be.
    ///
    /// # Errors
    /// What [`Draw::of`] gave; then the feed is at its end and must not be asked again.
    pub fn draw(&self) -> Result<Draw, Error> {
        self.draws.recv().expect("the feeding thread draws until the feed is dropped or an error was handed out")
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use candle_core::DType;

    use super::super::Net;
    use super::*;

    fn samples() -> Samples {
        Samples::new(3, 2, 4, (0..10 * 24).map(|i| (i * 37 % 256) as u8).collect()).unwrap()
    }

    fn config() -> Config {
        Config { batch: 4, latent: 5, ..Config::new(Net::Mlp) }
    }

    fn numbers(draw: &Draw) -> [Vec<f32>; 2] {
        [&draw.real, &draw.z].map(|tensor| tensor.flatten_all().unwrap().to_vec1().unwrap())
    }

    #[test]
    fn a_draw_is_the_decks_rows_channels_last_and_the_steps_latents() {
        let draw = Draw::of(&config(), (&samples()).into(), &mut Deck::new(0, 10), 7).unwrap();
        assert_eq!((draw.real.dims(), draw.z.dims()), (&[4, 2, 4, 3][..], &[4, 5][..]));
        assert!(draw.real.is_contiguous());
        let rows: Vec<u8> = Deck::new(0, 10).batch(7, 4).iter().flat_map(|&i| samples().row(i).unwrap()).collect();
        let real = Tensor::from_vec(rows, (4, 3, 2, 4), &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
        let real = real.affine(1.0 / 255.0, 0.0).unwrap().affine(2.0, -1.0).unwrap();
        let real = real.permute((0, 2, 3, 1)).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(numbers(&draw), [real, normal(&mut stream(0, "latent", 7), 20)]);
        assert_eq!((level(0), level(255)), (-1.0, 1.0));
    }

    #[test]
    fn the_feed_gives_what_each_step_would_draw_by_itself_wherever_it_begins() {
        let (config, samples) = (config(), samples());
        for first in [0, 3] {
            thread::scope(|scope| {
                let feed = Feed::start(scope, &config, (&samples).into(), first);
                for step in first..first + 6 {
                    let alone = Draw::of(&config, (&samples).into(), &mut Deck::new(0, 10), step).unwrap();
                    assert_eq!(numbers(&feed.draw().unwrap()), numbers(&alone), "step {step}");
                }
                // Dropped with draws waiting: the scope would never end if the thread did not.
            });
        }
    }
}
