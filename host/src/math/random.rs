//! Seeded random streams: a seed, a purpose and an index give a random number generator.
//!
//! The streams have no state. All random numbers of step `t` (latents, dropout masks, ...) come from
//! `stream(seed, purpose, t)`. So a run resumed at step `t` draws what the uninterrupted run would have drawn, and
//! a checkpoint holds no random state. Candle's own generator cannot do this: on the CPU it takes no seed.

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use sha2::{Digest, Sha256};

/// The random stream of one purpose (`"latent"`, `"dropout"`, ...) at one index (the step, the epoch). It is
/// `ChaCha8` seeded with SHA-256(seed || purpose || index), where the integers are 8 little-endian bytes.
#[must_use]
pub fn stream(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    let digest = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(purpose)
        .chain_update(index.to_le_bytes())
        .finalize();
    ChaCha8Rng::from_seed(digest.into())
}

/// Draws `n` numbers from the normal distribution N(0, 1).
#[must_use]
pub fn normal(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.sample(StandardNormal)).collect()
}

/// An endless sequence of sample indices: one shuffle per epoch, which depends on the seed and the epoch alone.
///
/// Batches may span two epochs, so every sample is used equally often, whatever the batch size.
#[derive(Debug)]
pub struct Deck {
    seed: u64,
    epoch: u64,
    order: Vec<usize>,
}

impl Deck {
    /// A deck over `samples` rows.
    ///
    /// # Panics
    /// When `samples` is 0.
    #[must_use]
    pub fn new(seed: u64, samples: usize) -> Self {
        assert!(samples > 0, "a deck needs at least one sample");
        Self { seed, epoch: 0, order: epoch_order(seed, 0, samples) }
    }

    /// The indices of batch number `step`: positions `step * batch ..` of the endless sequence.
    pub fn batch(&mut self, step: u64, batch: usize) -> Vec<usize> {
        let start = step * batch as u64;
        (start..start + batch as u64).map(|position| self.card(position)).collect()
    }

    fn card(&mut self, position: u64) -> usize {
        let samples = self.order.len() as u64;
        let epoch = position / samples;
        if epoch != self.epoch {
            self.order = epoch_order(self.seed, epoch, self.order.len());
            self.epoch = epoch;
        }
        self.order[(position % samples) as usize]
    }
}

/// The order of the samples `0..samples` in epoch number `epoch`.
#[must_use]
pub fn epoch_order(seed: u64, epoch: u64, samples: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..samples).collect();
    order.shuffle(&mut stream(seed, "order", epoch));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_purpose_and_index_and_nothing_else() {
        let first = |seed, purpose, index| stream(seed, purpose, index).random::<u64>();
        assert_eq!(first(1, "latent", 0), first(1, "latent", 0));
        assert_ne!(first(1, "latent", 0), first(2, "latent", 0));
        assert_ne!(first(1, "latent", 0), first(1, "dropout", 0));
        assert_ne!(first(1, "latent", 0), first(1, "latent", 1));
    }

    #[test]
    fn normal_draws_have_mean_zero_and_variance_one() {
        let draws = normal(&mut stream(7, "test", 0), 100_000);
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / draws.len() as f32;
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.02, "variance {variance}");
    }

    #[test]
    fn a_deck_deals_every_sample_once_an_epoch_and_can_start_anywhere() {
        let mut deck = Deck::new(3, 10);
        let dealt: Vec<usize> = (0..5).flat_map(|step| deck.batch(step, 4)).collect();
        for epoch in dealt.chunks(10) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(dealt[..10], dealt[10..]);
        assert_eq!(Deck::new(3, 10).batch(3, 4), dealt[12..16]);
        assert_eq!(Deck::new(3, 2).batch(0, 5).len(), 5);
    }
}
