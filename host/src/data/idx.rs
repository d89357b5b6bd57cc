//! Reads MNIST-style IDX files, gzipped or not, as grey pictures in memory.
//!
//! The format is four bytes of magic (0, 0, 8 for unsigned bytes, 3 dimensions), three big-endian sizes, then the
//! pixels (LeCun, Cortes, Burges). A file is read as a whole, whatever the memory limit of the rows: 60,000 digits
//! are 47 MB, they are freed once the rows are made, and a file of more than 2 GiB is refused.

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use image::GrayImage;

use super::{DataError, Result};

/// Names of the training file in MNIST's own naming. The `t10k` files are not among them, because they are only for
/// judging.
const TRAIN_NAMES: [&str; 2] = ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"];
/// Limit in bytes of an unpacked file.
const MAX_BYTES: u64 = 2 << 30;
/// How many times its own length a packed file may unpack to. MNIST's unpacks to five times its length, a bomb to a
/// thousand times.
const MAX_RATIO: u64 = 100;

/// Length in bytes of what precedes the pixels.
const HEADER: usize = 16;

/// The pictures of one IDX file.
#[derive(Debug)]
pub struct Idx {
    height: u32,
    width: u32,
    pixels: Vec<u8>,
}

impl Idx {
    /// Finds the training file of a folder; a path that is an IDX file itself is returned as it is.
    #[must_use]
    pub fn find(path: &Path) -> Option<PathBuf> {
        if path.is_dir() {
            return TRAIN_NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file());
        }
        let name = path.file_name()?.to_string_lossy().into_owned();
        name.contains("idx3-ubyte").then(|| path.to_path_buf())
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// [`DataError::Io`] when the file cannot be read; [`DataError::Idx`] when it is no IDX file of 8-bit pictures or
    /// is cut short.
    pub fn read(path: &Path) -> Result<Self> {
        let io = |source| DataError::Io { doing: "read", path: path.to_path_buf(), source };
        let wrong = |what: String| DataError::Idx { path: path.to_path_buf(), what };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let file = BufReader::new(file);
        let is_packed = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
        let (mut file, limit): (Box<dyn Read>, u64) = if is_packed {
            (Box::new(MultiGzDecoder::new(file)), MAX_BYTES.min((length * MAX_RATIO).max(1 << 20)))
        } else {
            (Box::new(file), MAX_BYTES)
        };

        let mut header = Vec::new();
        Read::by_ref(&mut file).take(HEADER as u64).read_to_end(&mut header).map_err(io)?;
        if header.len() < HEADER || header[..4] != [0, 0, 8, 3] {
            return Err(wrong("it does not begin like one (bytes 0 0 8 3, then three sizes)".into()));
        }
        let size = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (count, height, width) = (size(4), size(8), size(12));
        // Three sizes of 32 bits can ask for more than 64 bits can count.
        let expected = u128::from(count) * u128::from(height) * u128::from(width);
        let stated = format!("its header says {count} pictures of {width}x{height}, {expected} bytes");
        if expected > u128::from(limit) {
            let bound = if is_packed {
                format!("a packed file of {length} bytes is unpacked to at most {limit}")
            } else {
                format!("at most {limit} are read")
            };
            return Err(wrong(format!("{stated}, and {bound}")));
        }
        let mut pixels = Vec::new();
        file.take(expected as u64 + 1).read_to_end(&mut pixels).map_err(io)?;
        if height == 0 || width == 0 || pixels.len() as u128 != expected {
            let found = if pixels.len() as u128 > expected { "more".into() } else { format!("{} bytes", pixels.len()) };
            return Err(wrong(format!("{stated}, and it has {found}")));
        }
        Ok(Self { height, width, pixels })
    }

    /// Writes pictures of the same size, at least one, in MNIST's format; gzipped if the name ends in `.gz`.
    pub(crate) fn write(path: &Path, pictures: &[GrayImage]) -> Result<()> {
        let io = |source| DataError::Io { doing: "write", path: path.to_path_buf(), source };
        let (width, height) = pictures[0].dimensions();
        let mut bytes = vec![0, 0, 8, 3];
        for size in [pictures.len() as u32, height, width] {
            bytes.extend(size.to_be_bytes());
        }
        bytes.extend(pictures.iter().flat_map(|picture| picture.iter()));
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            bytes = encoder.write_all(&bytes).and_then(|()| encoder.finish()).map_err(io)?;
        }
        fs::write(path, bytes).map_err(io)
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pixels.len() / (self.height * self.width) as usize
    }

    /// Whether the file holds no picture.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Returns picture `index` as it is stored: bright ink on black.
    ///
    /// # Panics
    /// When there is no such picture.
    #[must_use]
    pub fn picture(&self, index: usize) -> GrayImage {
        let size = (self.height * self.width) as usize;
        let pixels = self.pixels[index * size..(index + 1) * size].to_vec();
        GrayImage::from_raw(self.width, self.height, pixels).expect("the slice is one picture long")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: u32) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3];
        for size in [count, 2, 3] {
            bytes.extend(size.to_be_bytes());
        }
        bytes.extend(0..12u8);
        bytes
    }

    #[test]
    fn plain_and_gzipped_hold_the_same_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, gz) = (dir.path().join("a-idx3-ubyte"), dir.path().join("a-idx3-ubyte.gz"));
        std::fs::write(&plain, bytes(2)).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(File::create(&gz).unwrap(), flate2::Compression::fast());
        encoder.write_all(&bytes(2)).unwrap();
        encoder.finish().unwrap();
        for path in [plain, gz] {
            let idx = Idx::read(&path).unwrap();
            assert_eq!(idx.len(), 2);
            assert_eq!(idx.picture(1).as_raw(), &[6, 7, 8, 9, 10, 11]);
        }
    }

    #[test]
    fn a_file_cut_short_and_a_foreign_file_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut-idx3-ubyte");
        std::fs::write(&path, bytes(3)).unwrap();
        let message = Idx::read(&path).unwrap_err().to_string();
        assert!(message.contains("cut-idx3-ubyte") && message.contains("3 pictures"), "{message}");
        let mut huge = bytes(2);
        huge[4..16].fill(0xFF);
        std::fs::write(&path, huge).unwrap();
        assert!(Idx::read(&path).unwrap_err().to_string().contains("at most 2147483648 are read"));
        std::fs::write(&path, b"not an idx file at all").unwrap();
        assert!(Idx::read(&path).unwrap_err().to_string().contains("does not begin"));
    }

    #[test]
    fn a_packed_file_is_unpacked_only_as_far_as_pictures_are_packed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bomb-idx3-ubyte.gz");
        let complaint = |sizes: [u32; 3], zeros: usize| {
            let mut encoder = GzEncoder::new(File::create(&path).unwrap(), Compression::best());
            encoder.write_all(&[0, 0, 8, 3]).unwrap();
            encoder.write_all(&sizes.map(u32::to_be_bytes).concat()).unwrap();
            encoder.write_all(&vec![0; zeros]).unwrap();
            encoder.finish().unwrap();
            Idx::read(&path).unwrap_err().to_string()
        };
        let honest = complaint([1000, 100, 200], 20_000_000);
        assert!(honest.contains("20000000 bytes, and a packed file of"), "{honest}");
        let understated = complaint([1, 2, 3], 20_000_000);
        assert!(understated.contains("6 bytes, and it has more"), "{understated}");
    }

    #[test]
    fn the_judging_file_is_never_trained_on() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("t10k-images-idx3-ubyte"), bytes(2)).unwrap();
        assert_eq!(Idx::find(dir.path()), None);
        std::fs::write(dir.path().join("train-images-idx3-ubyte"), bytes(2)).unwrap();
        assert!(Idx::find(dir.path()).unwrap().ends_with("train-images-idx3-ubyte"));
    }
}
