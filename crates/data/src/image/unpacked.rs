use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::read::fingerprint::Fingerprinting;

/// Bytes that are read from a file at a time.
const CHUNK: usize = 1 << 16;

/// A file as it is unpacked, when it is gzip; its bytes as stored are hashed on the way.
pub(super) enum Unpacked {
    Plain(BufReader<Fingerprinting<File>>),
    Gzip(Box<MultiGzDecoder<BufReader<Fingerprinting<File>>>>),
}

impl Unpacked {
    pub(super) fn open(path: &Path) -> io::Result<Unpacked> {
        let gzip = is_gzip(path)?;
        let stored = BufReader::with_capacity(CHUNK, Fingerprinting::new(File::open(path)?));
        Ok(if gzip {
            Unpacked::Gzip(Box::new(MultiGzDecoder::new(stored)))
        } else {
            Unpacked::Plain(stored)
        })
    }

    /// Size and SHA-256 of the whole file as stored.
    pub(super) fn finish(self) -> io::Result<(u64, String)> {
        match self {
            Unpacked::Plain(stored) => stored.into_inner().finish(),
            Unpacked::Gzip(unpacked) => unpacked.into_inner().into_inner().finish(),
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Unpacked::Plain(stored) => stored.read(buffer),
            Unpacked::Gzip(unpacked) => unpacked.read(buffer),
        }
    }
}

/// Whether a file begins as gzip does.
pub(super) fn is_gzip(path: &Path) -> io::Result<bool> {
    let mut first = Vec::with_capacity(2);
    File::open(path)?.take(2).read_to_end(&mut first)?;
    Ok(first == [0x1f, 0x8b])
}

/// The first bytes of a file, unpacked; fewer when it ends before.
pub(super) fn first_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    Unpacked::open(path)?.take(most).read_to_end(&mut first)?;
    Ok(first)
}
