//! Changes to the bytes of a good file. Stable Rust has no coverage feedback, so mutations are of the kinds that
//! libFuzzer's default mutator makes, and inputs that lead to a new outcome are kept as seeds (`corpus`).

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Most changes to one input.
const MOST_CHANGES: usize = 6;
/// Inputs do not grow beyond this many bytes, so that a target's time stays that of small files.
const MOST_BYTES: usize = 4 << 20;
/// Longest run of bytes that is removed, repeated or copied in.
const LONGEST_RUN: usize = 4096;
/// Integers at the limits of the usual sizes, little-endian and big-endian.
const LIMITS: [u64; 12] =
    [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 40, i64::MAX as u64, u64::MAX];
/// Pieces of the text formats: JSON, TOML, paths.
const TOKENS: [&[u8]; 24] = [
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e308",
    b"-1e-308",
    b"NaN",
    b"inf",
    b"18446744073709551616",
    b"[]",
    b"{}",
    b"[[",
    b"\"\"",
    b"\\u0000",
    b"\n",
    b"\r\n",
    b"../",
    b"/",
    b"\0",
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"=",
    b",",
    b"\"",
];

/// An input made of `seed`, in parts of another seed: 1 to [`MOST_CHANGES`] changes.
pub(crate) fn mutate(seed: &[u8], other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..=MOST_CHANGES) {
        change(&mut bytes, other, rng);
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) {
    let length = bytes.len();
    if length == 0 {
        bytes.push(rng.random());
        return;
    }
    let at = place(length, rng);
    let run = rng.random_range(1..=LONGEST_RUN.min(length - at));
    match rng.random_range(0..10) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..at + run)),
        4 => {
            let copy = bytes[at..at + run].to_vec();
            insert(bytes, at, &copy);
        }
        5 => {
            let limit = LIMITS.choose(rng).expect("the list is not empty");
            let width = *[1, 2, 4, 8].choose(rng).expect("the list is not empty");
            let limit = if rng.random() {
                limit.to_le_bytes()[..width].to_vec()
            } else {
                limit.to_be_bytes()[8 - width..].to_vec()
            };
            overwrite(bytes, at, &limit);
        }
        6 => insert(bytes, at, TOKENS.choose(rng).expect("the list is not empty")),
        7 => overwrite(bytes, at, TOKENS.choose(rng).expect("the list is not empty")),
        8 if !other.is_empty() => {
            let from = rng.random_range(0..other.len());
            let run = rng.random_range(1..=LONGEST_RUN.min(other.len() - from));
            if rng.random() {
                insert(bytes, at, &other[from..from + run]);
            } else {
                overwrite(bytes, at, &other[from..from + run]);
            }
        }
        _ => {
            let sum: u8 = rng.random_range(1..=35);
            bytes[at] = if rng.random() { bytes[at].wrapping_add(sum) } else { bytes[at].wrapping_sub(sum) };
        }
    }
}

/// A place in a file. Half of them are in the first 256 bytes, where formats keep their sizes.
fn place(length: usize, rng: &mut ChaCha8Rng) -> usize {
    let end = if rng.random() { length.min(256) } else { length };
    rng.random_range(0..end)
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

fn overwrite(bytes: &mut [u8], at: usize, piece: &[u8]) {
    let end = (at + piece.len()).min(bytes.len());
    bytes[at..end].copy_from_slice(&piece[..end - at]);
}
