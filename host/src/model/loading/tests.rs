use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::model::{LoadOptions, Model};

/// A copy of the embedded checkpoint.
fn checkpoint(dir: &Path) -> Source {
    let folder = dir.join("checkpoint");
    fs::create_dir(&folder).unwrap();
    for (name, content) in crate::embedded::files() {
        fs::write(folder.join(name), content).unwrap();
    }
    Source::Folder(folder)
}

fn load(source: &Source, folder: &Path) -> Model {
    let options = LoadOptions {
        cache: CachePolicy::At(folder.to_path_buf()),
        ..LoadOptions::default()
    };
    Model::load_with(source, &options).unwrap()
}

fn assert_same(a: &Model, b: &Model) {
    for id in a.linear_ids() {
        let (a, b) = (a.linear(id), b.linear(id));
        assert_eq!((a.scale(), a.rule()), (b.scale(), b.rule()), "{id}");
        let (a, b) = (a.weights(), b.weights());
        assert_eq!((a.order(), a.n(), a.k()), (b.order(), b.n(), b.k()), "{id}");
        assert!(a.lines().as_bytes() == b.lines().as_bytes(), "{id}");
    }
}

/// The only file of a folder.
fn only_file(folder: &Path) -> PathBuf {
    let mut entries = fs::read_dir(folder).unwrap();
    let file = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    file
}

#[test]
fn kept_weights_are_those_of_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (source, folder) = (checkpoint(dir.path()), dir.path().join("weights"));
    let plain = Model::load(&source).unwrap();
    assert_eq!(*plain.load_report(), LoadReport::default());
    assert!(!folder.exists());
    for cache in [CacheUse::Written, CacheUse::Read, CacheUse::Read] {
        let model = load(&source, &folder);
        let remarks = Vec::new();
        assert_eq!(*model.load_report(), LoadReport { cache, remarks });
        assert_same(&model, &plain);
        only_file(&folder);
    }
    // A model stays usable when its file is gone.
    let model = load(&source, &folder);
    fs::remove_dir_all(&folder).unwrap();
    assert_same(&model, &plain);
}

#[test]
fn the_embedded_model_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("weights");
    let model = load(&Source::Embedded, &folder);
    assert_eq!(*model.load_report(), LoadReport::default());
    assert!(!folder.exists());
}

#[test]
fn damaged_files_are_replaced_with_a_remark() {
    let dir = tempfile::tempdir().unwrap();
    let (source, folder) = (checkpoint(dir.path()), dir.path().join("weights"));
    let plain = load(&source, &folder);
    let file = only_file(&folder);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    for damaged in [&bytes[..], &bytes[..middle], &[]] {
        // A new file: the one that is mapped is not written into.
        fs::remove_file(&file).unwrap();
        fs::write(&file, damaged).unwrap();
        let model = load(&source, &folder);
        let report = model.load_report();
        assert_eq!(report.cache, CacheUse::Written);
        assert!(report.remarks[0].contains("packed weights again"));
        assert_same(&model, &plain);
        assert_eq!(load(&source, &folder).load_report().cache, CacheUse::Read);
    }
}

/// Writes a whole file with other metadata or bytes in one section.
fn forge(source: &Source, folder: &Path, edit: impl Fn(&str, &mut Value, &mut Vec<u8>)) {
    let files = TensorFiles::open(source).unwrap();
    let key = Key::of(source, &files, MADE).unwrap();
    let policy = CachePolicy::At(folder.to_path_buf());
    let folder = WeightFolder::of(&policy).unwrap().unwrap();
    let whole = folder.find(&key).unwrap().unwrap();
    let mut writer = folder.begin(&key, 0).unwrap();
    let names = ids(&Config::load(source).unwrap()).map(|id| id.weight_name());
    for name in names.chain([FINITE.to_string()]) {
        let (metadata, bytes) = whole.section(&name).unwrap();
        let (mut metadata, mut bytes) = (metadata.clone(), bytes.to_vec());
        edit(&name, &mut metadata, &mut bytes);
        let written = writer.section(&name, metadata, |out| out.write_all(&bytes));
        written.unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn sections_of_another_shape_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (source, folder) = (checkpoint(dir.path()), dir.path().join("weights"));
    let plain = load(&source, &folder);
    let down = LinearId {
        block: 1,
        kind: LinearKind::Down,
    };
    let name = down.weight_name();
    let linear = plain.linear(down);
    let other_order = match linear.weights().order() {
        Order::Rows => "columns",
        Order::Columns => "rows",
    };
    let edits: [(&str, Value); 6] = [
        ("n", (linear.n() - 1).into()),
        ("k", (linear.k() + 256).into()),
        ("order", other_order.into()),
        ("rule", "another".into()),
        ("scale_bits", f32::NAN.to_bits().into()),
        ("scale_bits", 0.into()),
    ];
    let refused = |what: &str| {
        let model = load(&source, &folder);
        let report = model.load_report();
        assert_eq!(report.cache, CacheUse::Written, "{what}");
        assert!(report.remarks[0].contains(&name), "{:?}", report.remarks);
        assert_same(&model, &plain);
    };
    for (field, value) in edits {
        forge(&source, &folder, |section, metadata, _| {
            if section == name {
                metadata[field] = value.clone();
            }
        });
        refused(field);
    }
    forge(&source, &folder, |section, _, bytes| {
        if section == name {
            bytes.truncate(bytes.len() - 64);
        }
    });
    refused("bytes");
    forge(&source, &folder, |_, _, _| {});
    assert_eq!(load(&source, &folder).load_report().cache, CacheUse::Read);
}

#[test]
fn a_checkpoint_that_is_refused_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (source, folder) = (checkpoint(dir.path()), dir.path().join("weights"));
    let path = source.path("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let files = TensorFiles::open(&source).unwrap();
    let name = "model.layers.2.mlp.up_proj.weight";
    let (_, range) = files.get(name).unwrap().keep();
    drop(files);
    bytes[range.end - 1] = 0xff; // code 3
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let options = LoadOptions {
        cache: CachePolicy::At(folder.clone()),
        ..LoadOptions::default()
    };
    let e = Model::load_with(&source, &options).err().unwrap();
    assert!(e.to_string().contains(name), "{e}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}
