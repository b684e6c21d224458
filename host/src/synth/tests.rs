//! Synthetic checkpoints as models: what they compute.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use super::*;
use crate::checkpoint::Source;
use crate::executor::{CpuExecutor, Executor, ExecutorError, Phase, Tap};
use crate::kernel::Cpu;
use crate::model::{GroupId, LinearId, LinearKind, LogitRows, Model, Session, TritCounts};

/// Makes a checkpoint and loads it.
fn make(out: &Path, options: &SynthOptions) -> Model {
    synth(out, options, &mut |_, _| ControlFlow::Continue(())).unwrap();
    Model::load(&Source::Folder(out.into())).unwrap()
}

fn options(shape: Shape) -> SynthOptions {
    SynthOptions {
        shape,
        seed: 3,
        ..SynthOptions::default()
    }
}

/// Counts closed gates of every block.
struct Gates {
    cpu: CpuExecutor,
    /// Closed and all, by block.
    counts: Vec<(usize, usize)>,
    /// Mean square of the residual stream after the last block.
    stream: f64,
}

impl Gates {
    /// Reads tokens; the logits `[T, vocab]`.
    fn read(model: &Model, tokens: &[u32]) -> (Gates, Vec<f32>) {
        let mut gates = Gates {
            cpu: CpuExecutor::new(2).unwrap(),
            counts: vec![(0, 0); model.config().num_hidden_layers],
            stream: 0.0,
        };
        let mut session = Session::new(model);
        let logits = session.forward(&mut gates, Phase::Prefill, tokens, LogitRows::All);
        let logits = logits.unwrap().to_vec();
        (gates, logits)
    }

    fn shares(&self) -> Vec<f64> {
        let share = |&(closed, all): &(usize, usize)| closed as f64 / all as f64;
        self.counts.iter().map(share).collect()
    }

    fn mean(&self) -> f64 {
        self.shares().iter().sum::<f64>() / self.counts.len() as f64
    }
}

impl Executor for Gates {
    fn linears(
        &mut self,
        model: &Model,
        group: GroupId,
        phase: Phase,
        x: &[f32],
        y: &mut [&mut [f32]],
    ) -> Result<(), ExecutorError> {
        self.cpu.linears(model, group, phase, x, y)?;
        for (id, y) in group.linear_ids().zip(y.iter()) {
            if id.kind == LinearKind::Gate {
                let (closed, all) = &mut self.counts[id.block];
                *closed += y.iter().filter(|y| **y <= 0.0).count();
                *all += y.len();
            }
        }
        Ok(())
    }

    fn lm_head(
        &mut self,
        model: &Model,
        phase: Phase,
        x: &[f32],
        top: Option<usize>,
        logits: &mut [f32],
    ) -> Result<(), ExecutorError> {
        self.cpu.lm_head(model, phase, x, top, logits)
    }

    fn cpu(&self) -> &Cpu {
        self.cpu.cpu()
    }

    fn observe(&mut self, tap: Tap, _block: Option<usize>, values: &[f32]) {
        if tap == Tap::Block {
            let squares = values.iter().map(|v| f64::from(v * v)).sum::<f64>();
            self.stream = squares / values.len() as f64;
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_threads() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| dir.path().join(name);
    let small = options(Shape::tiny());
    let with = |name: &str, threads, seed| {
        let options = SynthOptions {
            threads,
            seed,
            ..small.clone()
        };
        let all = &mut |_, _| ControlFlow::Continue(());
        let report = synth(&folder(name), &options, all).unwrap();
        let names = fs::read_dir(folder(name)).unwrap();
        let mut files: Vec<_> = names
            .map(|e| e.unwrap().path())
            .map(|p| (p.file_name().unwrap().to_owned(), fs::read(p).unwrap()))
            .collect();
        files.sort();
        let weights = files.iter().find(|f| f.0 == "model.safetensors").unwrap();
        assert_eq!(weights.1.len() as u64, report.weight_file_bytes);
        files
    };
    let one = with("one", 1, 5);
    assert!(one == with("two", 1, 5) && one == with("many", 7, 5));
    assert!(one != with("other", 1, 6));
}

#[test]
fn it_loads_runs_and_has_the_shares_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let deep = Shape {
        layers: 10,
        hidden: 128,
        heads: 4,
        kv_heads: 1,
        ffn: 1024,
        vocab: 2000,
        ..Shape::tiny()
    };
    // Rows share what little is random about a small stream, hence the wide tolerance on gates.
    for (name, shape, zero_share, closed_gates) in [
        ("default", Shape::tiny(), 0.3, 0.6),
        ("open", Shape::tiny(), 0.5, 0.2),
        ("closed", Shape::tiny(), 0.0, 0.85),
        ("deep", deep, 0.4, 0.7),
    ] {
        let options = SynthOptions {
            zero_share,
            closed_gates,
            ..options(shape)
        };
        let model = make(&dir.path().join(name), &options);
        let vocab = options.shape.vocab;
        let tokens: Vec<u32> = (0..32).map(|i| (i * 7919 + 5) % vocab as u32).collect();
        let (gates, logits) = Gates::read(&model, &tokens);

        let got = gates.mean();
        assert!((got - closed_gates).abs() < 0.05, "{name}: {got}");
        for got in gates.shares() {
            assert!((got - closed_gates).abs() < 0.12, "{name}: {got}");
        }
        let mut counts = TritCounts::default();
        for id in model.linear_ids() {
            counts += model.linear(id).counts();
        }
        let got = counts.shares()[1];
        assert!((got - zero_share).abs() < 0.01, "{name}: {got}");
        assert!(
            gates.stream > 1.0 && gates.stream < 100.0,
            "{name}: {}",
            gates.stream
        );
        for row in logits.chunks_exact(vocab) {
            let n = vocab as f64;
            let mean = row.iter().map(|&l| f64::from(l)).sum::<f64>() / n;
            let square = row.iter().map(|&l| f64::from(l).powi(2)).sum::<f64>() / n;
            let std = (square - mean * mean).sqrt();
            assert!(std > 1.0 && std < 6.0, "{name}: logits of deviation {std}");
        }
    }
}

#[test]
fn linears_keep_unit_variance() {
    let dir = tempfile::tempdir().unwrap();
    let model = make(&dir.path().join("m"), &options(Shape::tiny()));
    let (gates, _) = Gates::read(&model, &[3, 1, 4, 15, 9, 26, 5, 35, 8, 97, 93, 2]);
    // Six blocks of two times 1, the embedding, the drift.
    assert!((gates.stream - 12.5).abs() < 2.0, "{}", gates.stream);
    let down = model.linear(LinearId {
        block: 5,
        kind: LinearKind::Down,
    });
    assert!((down.scale() - (768.0f32 * 0.7).powf(-0.5)).abs() < 1e-3);
}

#[test]
fn an_end_before_the_end_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new/folder");
    for last in [false, true] {
        let e = synth(
            &out,
            &options(Shape::tiny()),
            &mut |done, total| match done == total || !last {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            },
        );
        assert!(matches!(e, Err(SynthError::Interrupted { .. })), "{e:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn only_synthetic_checkpoints_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("m");
    let with = |force| {
        let options = SynthOptions {
            force,
            ..options(Shape::tiny())
        };
        synth(&out, &options, &mut |_, _| ControlFlow::Continue(()))
    };
    fs::create_dir(&out).unwrap();
    with(false).expect("an empty folder is free");
    assert!(matches!(with(false), Err(SynthError::Exists { .. })));
    with(true).unwrap();
    fs::remove_file(out.join(REPORT_FILE)).unwrap();
    assert!(matches!(with(true), Err(SynthError::NotReplaceable { .. })));
    fs::remove_dir_all(&out).unwrap();
    fs::write(&out, "file").unwrap();
    assert!(matches!(with(true), Err(SynthError::NotReplaceable { .. })));
}

#[test]
fn what_does_not_fit_the_disk_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let huge = Shape {
        layers: 10_000,
        hidden: 1 << 20,
        heads: 1 << 10,
        kv_heads: 1 << 10,
        ffn: 1 << 22,
        ..Shape::tiny()
    };
    let e = synth(&dir.path().join("m"), &options(huge), &mut |_, _| {
        panic!("nothing is written")
    });
    if cfg!(unix) {
        assert!(matches!(e, Err(SynthError::Space { .. })), "{e:?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn shares_out_of_range_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (zero_share, closed_gates, said) in [
        (-0.1, 0.6, "zero-share is -0.1: expected 0 to 0.95"),
        (f64::NAN, 0.6, "zero-share is NaN"),
        (1.0, 0.6, "zero-share is 1"),
        (0.3, 0.0, "closed-gates is 0: expected"),
        (0.3, 1.0, "closed-gates is 1: expected"),
        (0.3, f64::NAN, "closed-gates is NaN"),
    ] {
        let options = SynthOptions {
            zero_share,
            closed_gates,
            ..options(Shape::tiny())
        };
        let all = &mut |_, _| ControlFlow::Continue(());
        let e = synth(&dir.path().join("m"), &options, all).unwrap_err();
        assert!(e.to_string().contains(said), "{e}");
    }
}
