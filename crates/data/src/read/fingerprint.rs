use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::DataError;

/// Size and SHA-256 of what passes through a reader.
pub(crate) struct Fingerprinting<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Fingerprinting<R> {
    pub(crate) fn new(inner: R) -> Self {
        Fingerprinting {
            inner,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    /// Reads what is left; then the number of bytes and their SHA-256 in hexadecimal.
    pub(crate) fn finish(mut self) -> io::Result<(u64, String)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((self.bytes, hexadecimal(&self.hash.finalize())))
    }
}

impl<R: Read> Read for Fingerprinting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

/// Size and SHA-256 of a whole file.
pub(crate) fn fingerprint(path: &Path) -> Result<(u64, String), DataError> {
    File::open(path)
        .and_then(|file| Fingerprinting::new(file).finish())
        .map_err(|source| DataError::Unreadable {
            path: path.to_owned(),
            source,
        })
}

/// Size and SHA-256 of bytes in memory.
pub fn fingerprint_bytes(bytes: &[u8]) -> (u64, String) {
    (bytes.len() as u64, hexadecimal(&Sha256::digest(bytes)))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_sha_256() {
        // Test vector of FIPS 180-4.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fingerprint_bytes(b"abc"), (3, abc.to_owned()));
        let streamed = Fingerprinting::new(&b"abc"[..]).finish().unwrap();
        assert_eq!(streamed, (3, abc.to_owned()));
    }
}
