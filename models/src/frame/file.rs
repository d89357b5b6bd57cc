//! A picture's file as it is opened: opening it waits for nothing, and reading it does not wait for ever. A named pipe
//! has perhaps no writer, or one that hangs.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// How long a pipe or a device may give nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// An opened file, pipe or device. Its reads fail when nothing comes for ten seconds.
#[derive(Debug)]
pub struct PictureFile {
    file: File,
    patience: Duration,
}

impl PictureFile {
    /// Opens a file.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Without `NONBLOCK`, opening a pipe waits for a writer.
        let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
        Ok(Self { file, patience: PATIENCE })
    }

    /// What the system knows of the file.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }
}

impl Read for PictureFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let limit = Timespec::try_from(self.patience).map_err(io::Error::other)?;
            let mut ready = [PollFd::new(&self.file, PollFlags::IN)];
            if poll(&mut ready, Some(&limit))? == 0 {
                let said = format!("nothing was written into it for {} s", self.patience.as_secs());
                return Err(io::Error::new(ErrorKind::TimedOut, said));
            }
            match self.file.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

impl Seek for PictureFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::io::Write;

    #[test]
    fn a_pipe_is_read_to_its_end_and_one_that_gives_nothing_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut without_writer =
            PictureFile { patience: Duration::from_millis(50), ..PictureFile::open(&path).unwrap() };
        let error = without_writer.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);

        let mut reader = PictureFile::open(&path).unwrap();
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        let written = std::thread::spawn(move || {
            for part in [&b"one "[..], b"two"] {
                writer.write_all(part).unwrap();
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        written.join().unwrap();
        assert_eq!(text, "one two");
    }
}
