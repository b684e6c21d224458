use std::fs::{self, File};
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use super::format::{BLOCK_BYTES, HEADER_BYTES, TRAILER_BYTES, VERSION};
use super::*;
use crate::checkpoint::files::TensorFiles;
use crate::checkpoint::Source;

fn folder_at(path: &Path) -> WeightFolder {
    let policy = CachePolicy::At(path.to_path_buf());
    WeightFolder::of(&policy).unwrap().unwrap()
}

/// A copy of the embedded checkpoint.
fn checkpoint(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (name, content) in crate::embedded::files() {
        fs::write(folder.join(name), content).unwrap();
    }
}

fn key_of(folder: &Path, made: &str) -> Key {
    let source = Source::Folder(folder.to_path_buf());
    Key::of(&source, &TensorFiles::open(&source).unwrap(), made).unwrap()
}

fn some_key() -> Key {
    let source = Source::Embedded;
    Key::of(&source, &TensorFiles::open(&source).unwrap(), "test").unwrap()
}

/// Sections of several sizes, one of them empty and one with two blocks.
fn sections() -> Vec<(String, Vec<u8>)> {
    [1, 4096, 0, 5000, BLOCK_BYTES + 3]
        .into_iter()
        .enumerate()
        .map(|(i, bytes)| {
            let data = (0..bytes).map(|b| (b * 7 + i) as u8).collect();
            (format!("section {i}"), data)
        })
        .collect()
}

fn write(folder: &WeightFolder, key: &Key, sections: &[(String, Vec<u8>)]) -> Reader {
    let mut writer = folder.begin(key, 0).unwrap();
    for (name, data) in sections {
        writer
            .section(name, name, |out| {
                // In pieces, as a caller may write.
                data.chunks(1 << 20)
                    .try_for_each(|piece| out.write_all(piece))
            })
            .unwrap();
    }
    let (reader, problem) = writer.finish().unwrap();
    assert!(problem.is_none());
    reader
}

fn assert_holds(reader: &Reader, sections: &[(String, Vec<u8>)]) {
    for (name, data) in sections {
        let (metadata, bytes) = reader.section(name).unwrap();
        assert_eq!(metadata, name.as_str());
        assert!(*bytes == data[..], "{name}");
        assert!(bytes.is_empty() || (bytes.as_ptr() as usize).is_multiple_of(4096));
    }
    assert!(reader.section("none").is_none());
}

#[test]
fn sections_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder_at(&dir.path().join("deep/weights"));
    let (key, sections) = (some_key(), sections());
    assert!(folder.find(&key).unwrap().is_none());
    assert_holds(&write(&folder, &key, &sections), &sections);
    let file = File::options()
        .append(true)
        .open(folder.path(&key))
        .unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_holds(&folder.find(&key).unwrap().unwrap(), &sections);
    let used = file.metadata().unwrap().modified().unwrap();
    assert_ne!(used, SystemTime::UNIX_EPOCH, "the use is noted");
    let names = fs::read_dir(dir.path().join("deep/weights")).unwrap();
    assert_eq!(names.count(), 1, "nothing is left behind");
}

/// What a file holds that was overwritten with `bytes`.
fn reread(folder: &WeightFolder, key: &Key, bytes: &[u8]) -> Result<Option<Reader>, CacheError> {
    fs::write(folder.path(key), bytes).unwrap();
    folder.find(key)
}

#[test]
fn files_cut_short_or_too_long_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder_at(dir.path());
    let (key, sections) = (some_key(), &sections()[..4]);
    write(&folder, &key, sections);
    let whole = fs::read(folder.path(&key)).unwrap();
    let mut lengths: Vec<usize> = (0..whole.len()).step_by(61).collect();
    lengths.extend(0..HEADER_BYTES + TRAILER_BYTES + 2);
    lengths.extend(whole.len() - TRAILER_BYTES - 2..whole.len());
    for length in lengths {
        let e = reread(&folder, &key, &whole[..length]).err();
        assert!(
            matches!(e, Some(CacheError::Damaged { .. })),
            "{length} bytes"
        );
    }
    let longer = [&whole[..], &[0]].concat();
    assert!(reread(&folder, &key, &longer).is_err());
    assert!(reread(&folder, &key, &whole).is_ok());
    // What was refused is replaced.
    fs::write(folder.path(&key), "").unwrap();
    assert_holds(&write(&folder, &key, sections), sections);
    assert_holds(&folder.find(&key).unwrap().unwrap(), sections);
}

#[test]
fn no_byte_can_change_unnoticed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder_at(dir.path());
    let (key, sections) = (some_key(), &sections()[..4]);
    write(&folder, &key, sections);
    let mut bytes = fs::read(folder.path(&key)).unwrap();
    for place in 0..bytes.len() {
        let bit = 1 << (place % 8);
        bytes[place] ^= bit;
        let checked = format::check(&bytes, key.as_str());
        assert!(checked.is_err(), "byte {place} of {}", bytes.len());
        bytes[place] ^= bit;
    }
    format::check(&bytes, key.as_str()).unwrap();
}

#[test]
fn blocks_of_a_long_section_have_their_own_checksums() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder_at(dir.path());
    let key = some_key();
    write(&folder, &key, &sections());
    let mut bytes = fs::read(folder.path(&key)).unwrap();
    let end = bytes.len();
    for place in [end / 2, end - (1 << 12)] {
        bytes[place] ^= 1;
        assert!(format::check(&bytes, key.as_str()).is_err(), "byte {place}");
        bytes[place] ^= 1;
    }
}

#[test]
fn other_versions_and_other_keys_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder_at(dir.path());
    let key = some_key();
    write(&folder, &key, &sections()[..1]);
    let mut bytes = fs::read(folder.path(&key)).unwrap();
    let other = format::check(&bytes, "another key").unwrap_err();
    assert!(other.expected.contains("another key"));
    bytes[8..12].copy_from_slice(&(VERSION + 1).to_le_bytes());
    let e = reread(&folder, &key, &bytes).err().unwrap().to_string();
    assert!(e.contains(&format!("version {VERSION}")), "{e}");
}

#[test]
fn writers_that_race_all_succeed() {
    let dir = tempfile::tempdir().unwrap();
    let (key, sections) = (some_key(), sections());
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                let folder = folder_at(dir.path());
                assert_holds(&write(&folder, &key, &sections), &sections);
                assert_holds(&folder.find(&key).unwrap().unwrap(), &sections);
            });
        }
    });
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_section_that_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder_at(dir.path());
    let mut writer = folder.begin(&some_key(), 0).unwrap();
    let failed = writer.section("a", (), |_| Err(io::Error::other("full")));
    assert!(failed.unwrap_err().to_string().contains("full"));
    drop(writer);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let folder = folder_at(&file.join("weights"));
    let key = some_key();
    assert!(folder.find(&key).unwrap().is_none());
    let e = folder.begin(&key, 0).err().unwrap().to_string();
    assert!(e.contains(&*file.to_string_lossy()), "{e}");
    let e = folder_at(dir.path()).begin(&key, u64::MAX).err().unwrap();
    assert!(matches!(e, CacheError::Space { .. }), "{e}");

    // A folder in the place of the file: what was written serves, and is not kept.
    let folder = folder_at(dir.path());
    fs::create_dir(folder.path(&key)).unwrap();
    let mut writer = folder.begin(&key, 0).unwrap();
    writer
        .section("a", (), |out| out.write_all(b"bytes"))
        .unwrap();
    let (reader, problem) = writer.finish().unwrap();
    assert!(problem.is_some());
    assert_eq!(*reader.section("a").unwrap().1, *b"bytes");
    assert!(folder.find(&key).is_err());
}

#[test]
fn a_key_is_that_of_one_state() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a");
    checkpoint(&folder);
    let weights = folder.join("model.safetensors");
    let set_time = |seconds| {
        let file = File::options().append(true).open(&weights).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 5);
        file.set_modified(time).unwrap();
    };
    set_time(1_000);
    let key = key_of(&folder, "x");
    assert_eq!(key.as_str().len(), 64);
    assert_ne!(key_of(&folder, "y"), key);
    set_time(1_001);
    assert_ne!(key_of(&folder, "x"), key, "another time");
    set_time(1_000);
    assert_eq!(key_of(&folder, "x"), key);

    let content = fs::read(&weights).unwrap();
    let data = content.len() - 1;
    for place in [9, data] {
        let mut edited = content.clone();
        edited[place] ^= 1;
        fs::write(&weights, &edited).unwrap();
        set_time(1_000);
        // A header that cannot be read has no key at all.
        let source = Source::Folder(folder.clone());
        if let Ok(files) = TensorFiles::open(&source) {
            assert_ne!(Key::of(&source, &files, "x").unwrap(), key, "byte {place}");
        }
    }
    fs::write(&weights, &content).unwrap();
    set_time(1_000);
    let moved = dir.path().join("b");
    fs::rename(&folder, &moved).unwrap();
    assert_eq!(key_of(&moved, "x"), key, "the folder does not count");
    let config = fs::read_to_string(moved.join("config.json")).unwrap();
    fs::write(moved.join("config.json"), config + "\n").unwrap();
    assert_ne!(key_of(&moved, "x"), key, "another configuration");
}
