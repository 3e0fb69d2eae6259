use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::read::MultiGzDecoder;

use super::fingerprint::Fingerprinting;
use crate::DataError;

const CHUNK: usize = 1 << 16;

/// A file of text whose bytes were all looked at once: opens again as UTF-8.
#[derive(Debug)]
pub(crate) struct TextFile {
    path: PathBuf,
    /// Whether it is compressed with gzip.
    pub(crate) gzip: bool,
    encoding: &'static Encoding,
    byte_order_mark: bool,
    /// Size as stored.
    pub(crate) bytes: u64,
    /// Of the bytes as stored.
    pub(crate) sha256: String,
}

impl TextFile {
    /// Looks at the whole file: compression, encoding, fingerprint.
    ///
    /// UTF-8 and UTF-16 are told by their byte-order mark; without one, UTF-16 by its zero bytes and
    /// UTF-8 by being valid to the end. Anything else is taken as Windows-1252.
    pub(crate) fn inspect(path: &Path) -> Result<TextFile, DataError> {
        let unreadable = |source| DataError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let gzip = is_gzip(path).map_err(unreadable)?;
        let stored = Fingerprinting::new(File::open(path).map_err(unreadable)?);
        let mut survey = Survey::default();
        let (bytes, sha256) = if gzip {
            let mut unpacked = MultiGzDecoder::new(BufReader::with_capacity(CHUNK, stored));
            survey.read_all(&mut unpacked).map_err(unreadable)?;
            unpacked.into_inner().into_inner().finish()
        } else {
            let mut stored = stored;
            survey.read_all(&mut stored).map_err(unreadable)?;
            stored.finish()
        }
        .map_err(unreadable)?;
        let (encoding, byte_order_mark) = survey.encoding().map_err(|problem| match problem {
            None => DataError::Empty {
                path: path.to_owned(),
            },
            Some(detail) => DataError::Binary {
                path: path.to_owned(),
                detail,
            },
        })?;
        Ok(TextFile {
            path: path.to_owned(),
            gzip,
            encoding,
            byte_order_mark,
            bytes,
            sha256,
        })
    }

    /// The text from its beginning, as UTF-8.
    pub(crate) fn open(&self) -> Result<Box<dyn Read>, DataError> {
        let file = File::open(&self.path).map_err(|source| DataError::Unreadable {
            path: self.path.clone(),
            source,
        })?;
        let file = BufReader::with_capacity(CHUNK, file);
        let stored: Box<dyn Read> = if self.gzip {
            Box::new(MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        };
        Ok(Box::new(Transcoded::new(stored, self.encoding)))
    }

    /// The encoding as a person calls it.
    pub(crate) fn encoding_name(&self) -> String {
        let mark = if self.byte_order_mark {
            " with byte-order mark"
        } else {
            ""
        };
        let name = match self.encoding.name() {
            "windows-1252" => "Windows-1252",
            name => name,
        };
        format!("{name}{mark}")
    }
}

fn is_gzip(path: &Path) -> io::Result<bool> {
    let mut first = Vec::with_capacity(2);
    File::open(path)?.take(2).read_to_end(&mut first)?;
    Ok(first == [0x1f, 0x8b])
}

/// What is counted in one pass over the unpacked bytes.
#[derive(Debug, Default)]
struct Survey {
    total: u64,
    /// The first bytes.
    head: Vec<u8>,
    /// Zero bytes at even and at odd offsets.
    zeros: [u64; 2],
    first_zero: Option<u64>,
    /// Control characters that no text has.
    controls: u64,
    blanks: u64,
    invalid_utf8: bool,
    /// The bytes of a character that a chunk boundary cut.
    cut: Vec<u8>,
}

impl Survey {
    fn read_all(&mut self, from: &mut impl Read) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => self.take(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.invalid_utf8 |= !self.cut.is_empty();
        Ok(())
    }

    fn take(&mut self, chunk: &[u8]) {
        if self.head.len() < 4 {
            let missing = (4 - self.head.len()).min(chunk.len());
            self.head.extend_from_slice(&chunk[..missing]);
        }
        for (i, &byte) in chunk.iter().enumerate() {
            if byte > b' ' {
                continue;
            }
            let offset = self.total + i as u64;
            match byte {
                0 => {
                    self.zeros[(offset % 2) as usize] += 1;
                    self.first_zero.get_or_insert(offset);
                }
                b' ' | b'\t' | b'\n' | b'\r' => self.blanks += 1,
                // Form feed and the end-of-file mark of old systems occur in real exports.
                0x0c | 0x1a => {}
                _ => self.controls += 1,
            }
        }
        self.total += chunk.len() as u64;
        if !self.invalid_utf8 {
            self.check_utf8(chunk);
        }
    }

    fn check_utf8(&mut self, chunk: &[u8]) {
        let joined;
        let bytes = if self.cut.is_empty() {
            chunk
        } else {
            let mut both = std::mem::take(&mut self.cut);
            both.extend_from_slice(chunk);
            joined = both;
            &joined
        };
        if let Err(error) = std::str::from_utf8(bytes) {
            match error.error_len() {
                None => self.cut = bytes[error.valid_up_to()..].to_vec(),
                Some(_) => self.invalid_utf8 = true,
            }
        }
    }

    /// The encoding and whether a byte-order mark says so; `Err(None)` when nothing is there to
    /// read, `Err(Some(why))` when it is no text.
    fn encoding(&self) -> Result<(&'static Encoding, bool), Option<String>> {
        if let Some((encoding, mark)) = Encoding::for_bom(&self.head) {
            return if self.total > mark as u64 {
                Ok((encoding, true))
            } else {
                Err(None)
            };
        }
        if self.blanks == self.total {
            return Err(None);
        }
        // Of UTF-16 text in a Western script, nearly every second byte is zero.
        let half = self.total / 2;
        let [even, odd] = self.zeros;
        if odd * 10 > half * 4 && even * 20 < half {
            return Ok((UTF_16LE, false));
        }
        if even * 10 > half * 4 && odd * 20 < half {
            return Ok((UTF_16BE, false));
        }
        if let Some(offset) = self.first_zero {
            return Err(Some(format!(
                "it holds a NUL byte (the first at byte {offset})"
            )));
        }
        // One control character in two hundred bytes is more than any damaged text has.
        if self.controls * 200 > self.total {
            return Err(Some(format!(
                "{} of {} bytes are control characters",
                self.controls, self.total
            )));
        }
        let encoding = if self.invalid_utf8 {
            WINDOWS_1252
        } else {
            UTF_8
        };
        Ok((encoding, false))
    }
}

/// A reader that gives UTF-8 whatever its source is written in.
struct Transcoded<R> {
    inner: R,
    decoder: Decoder,
    input: Vec<u8>,
    input_at: usize,
    output: Vec<u8>,
    output_at: usize,
    finished: bool,
}

impl<R: Read> Transcoded<R> {
    fn new(inner: R, encoding: &'static Encoding) -> Self {
        Transcoded {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            input: Vec::new(),
            input_at: 0,
            output: Vec::new(),
            output_at: 0,
            finished: false,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let mut last = false;
        if self.input_at == self.input.len() {
            self.input.resize(CHUNK, 0);
            let n = self.inner.read(&mut self.input)?;
            self.input.truncate(n);
            self.input_at = 0;
            last = n == 0;
        }
        self.output.resize(2 * CHUNK, 0);
        let (result, read, written, _) =
            self.decoder
                .decode_to_utf8(&self.input[self.input_at..], &mut self.output, last);
        self.output.truncate(written);
        self.output_at = 0;
        self.input_at += read;
        self.finished = last && result == encoding_rs::CoderResult::InputEmpty;
        Ok(())
    }
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.output_at == self.output.len() && !self.finished {
            match self.refill() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
        }
        let ready = &self.output[self.output_at..];
        let n = ready.len().min(buffer.len());
        buffer[..n].copy_from_slice(&ready[..n]);
        self.output_at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read_back(bytes: &[u8]) -> Result<(String, String), DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, bytes).unwrap();
        let file = TextFile::inspect(&path)?;
        let mut text = String::new();
        file.open()?.read_to_string(&mut text).unwrap();
        Ok((text, file.encoding_name()))
    }

    fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
        let units = mark
            .then_some(0xfeff)
            .into_iter()
            .chain(text.encode_utf16());
        units
            .flat_map(|u| {
                if little {
                    u.to_le_bytes()
                } else {
                    u.to_be_bytes()
                }
            })
            .collect()
    }

    #[test]
    fn encodings_are_told_apart() {
        let text = "größe,ort\n1,Köln\n2,Aachen\n";
        let cases: [(Vec<u8>, &str); 6] = [
            (text.as_bytes().to_vec(), "UTF-8"),
            (
                [b"\xef\xbb\xbf", text.as_bytes()].concat(),
                "UTF-8 with byte-order mark",
            ),
            (utf16(text, true, true), "UTF-16LE with byte-order mark"),
            (utf16(text, false, true), "UTF-16BE with byte-order mark"),
            (utf16(text, true, false), "UTF-16LE"),
            (WINDOWS_1252.encode(text).0.into_owned(), "Windows-1252"),
        ];
        for (bytes, name) in cases {
            assert_eq!(
                read_back(&bytes).unwrap(),
                (text.to_owned(), name.to_owned())
            );
        }
    }

    #[test]
    fn a_character_cut_by_a_chunk_is_still_utf_8() {
        let text = format!("{}ß,1\n", "a".repeat(CHUNK - 1));
        assert_eq!(
            read_back(text.as_bytes()).unwrap(),
            (text, "UTF-8".to_owned())
        );
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(matches!(read_back(b""), Err(DataError::Empty { .. })));
        assert!(matches!(
            read_back(b" \n\n\t"),
            Err(DataError::Empty { .. })
        ));
        assert!(matches!(
            read_back(b"\xef\xbb\xbf"),
            Err(DataError::Empty { .. })
        ));
        let nul = read_back(b"a,b\n1,\x00\n").unwrap_err().to_string();
        assert!(nul.contains("NUL byte (the first at byte 6)"), "{nul}");
        assert!(matches!(
            read_back(b"a\x01\x02\x03\x04b\n"),
            Err(DataError::Binary { .. })
        ));
    }

    #[test]
    fn a_truncated_gzip_file_is_an_error() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"a,b\n1,2\n3,4\n").unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(read_back(&packed).unwrap().0, "a,b\n1,2\n3,4\n");
        let cut = read_back(&packed[..packed.len() - 6]);
        assert!(matches!(cut, Err(DataError::Unreadable { .. })), "{cut:?}");
    }
}
