use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::decode::MAX_FILE_BYTES;
use super::fault::Fault;
use super::unpacked::Unpacked;
use crate::DataError;

/// Pictures that are worked on at a time: enough for all threads, few enough to stay small.
pub(super) const BATCH: usize = 1024;
/// Bytes after which a batch is closed.
const BATCH_BYTES: usize = 64 << 20;

/// The pictures to work on at a time, when what is made of one takes so many bytes.
pub(super) fn batch_of(made_bytes: usize) -> usize {
    const LEAST: usize = 16;
    (BATCH_BYTES / made_bytes.max(1)).clamp(LEAST, BATCH)
}

/// Where the bytes of pictures lie.
#[derive(Debug)]
pub(super) enum Store {
    /// One file a picture; an entry of a manifest may name none.
    Files(Vec<Option<PathBuf>>),
    /// Members of archives.
    Archives {
        /// The archives.
        paths: Vec<PathBuf>,
        /// For each picture its archive and its number among the archive's files.
        members: Vec<(usize, usize)>,
    },
}

impl Store {
    /// The number of pictures.
    pub(super) fn len(&self) -> usize {
        match self {
            Store::Files(files) => files.len(),
            Store::Archives { members, .. } => members.len(),
        }
    }

    /// Hands the bytes of the wanted pictures to `work`, on all threads, and what it makes of them to `sink`, with the
    /// position among the wanted. At most `batch` are in memory at a time.
    pub(super) fn each<R: Send>(
        &self,
        wanted: &[usize],
        batch: usize,
        work: impl Fn(&[u8]) -> R + Sync,
        mut sink: impl FnMut(usize, Result<R, Fault>),
    ) -> Result<(), DataError> {
        match self {
            Store::Files(files) => {
                for (number, indices) in wanted.chunks(batch).enumerate() {
                    let made: Vec<Result<R, Fault>> = indices
                        .par_iter()
                        .map(|&i| bytes_of(files[i].as_deref()).map(|bytes| work(&bytes)))
                        .collect();
                    for (at, made) in made.into_iter().enumerate() {
                        sink(number * batch + at, made);
                    }
                }
                Ok(())
            }
            Store::Archives { paths, members } => {
                for (archive, path) in paths.iter().enumerate() {
                    // Position among the wanted by number of the member.
                    let mut positions: Vec<Option<usize>> = Vec::new();
                    for (position, &i) in wanted.iter().enumerate() {
                        let (of, member) = members[i];
                        if of == archive {
                            let length = positions.len().max(member + 1);
                            positions.resize(length, None);
                            positions[member] = Some(position);
                        }
                    }
                    if positions.is_empty() {
                        continue;
                    }
                    each_member(
                        path,
                        batch,
                        |number, _| positions.get(number).copied().flatten(),
                        &work,
                        &mut sink,
                    )?;
                }
                Ok(())
            }
        }
    }
}

fn bytes_of(path: Option<&Path>) -> Result<Vec<u8>, Fault> {
    let path = path.ok_or(Fault::Unnamed)?;
    let read = || {
        let found = fs::metadata(path)?;
        if !found.is_file() {
            // Opening a pipe would wait for ever.
            return Ok(Err(Fault::Unreadable("it is no file".to_owned())));
        }
        let length = found.len();
        if length > MAX_FILE_BYTES {
            return Ok(Err(Fault::LargeFile(length)));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        // It may have grown since.
        File::open(path)?
            .take(MAX_FILE_BYTES)
            .read_to_end(&mut bytes)?;
        Ok(Ok(bytes))
    };
    read().unwrap_or_else(|error| Err(Fault::from_io(&error)))
}

/// The bytes of one file of an archive, with its key.
type Member<K> = (K, Result<Vec<u8>, Fault>);

/// Goes through a tar archive, plain or gzip, in its own order. `choose` sees the number and the path of each file
/// and returns a key for those that are wanted; their bytes go to `work` on other threads while the archive is
/// unpacked further, at most `most` at a time. Returns size and SHA-256 of the archive as stored.
pub(super) fn each_member<K: Send + Sync, R: Send>(
    archive: &Path,
    most: usize,
    mut choose: impl FnMut(usize, &str) -> Option<K>,
    work: impl Fn(&[u8]) -> R + Sync,
    mut sink: impl FnMut(K, Result<R, Fault>),
) -> Result<(u64, String), DataError> {
    let failed = |source| DataError::Archive {
        path: archive.to_owned(),
        source,
    };
    let mut unpacked = tar::Archive::new(Unpacked::open(archive).map_err(failed)?);
    let mut entries = unpacked.entries().map_err(failed)?;
    let mut number = 0;
    let mut fill = || -> io::Result<Vec<Member<K>>> {
        let mut batch = Vec::new();
        let mut size = 0;
        while batch.len() < most && size < BATCH_BYTES {
            let Some(entry) = entries.next() else { break };
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let chosen = choose(number, &path);
            number += 1;
            let Some(key) = chosen else { continue };
            let length = entry.size();
            if length > MAX_FILE_BYTES {
                batch.push((key, Err(Fault::LargeFile(length))));
                continue;
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            size += bytes.len();
            batch.push((key, Ok(bytes)));
        }
        Ok(batch)
    };
    let mut batch = fill().map_err(failed)?;
    while !batch.is_empty() {
        let (mut made, mut next) = (Vec::new(), Ok(Vec::new()));
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| {
                made = batch
                    .into_par_iter()
                    .map(|(key, bytes)| (key, bytes.map(|bytes| work(&bytes))))
                    .collect();
            });
            next = fill();
        });
        for (key, made) in made {
            sink(key, made);
        }
        batch = next.map_err(failed)?;
    }
    unpacked.into_inner().finish().map_err(failed)
}
