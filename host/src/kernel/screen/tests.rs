use half::bf16;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use safetensors::tensor::TensorView;
use safetensors::Dtype;

use super::*;
use crate::checkpoint::files::TensorFiles;
use crate::kernel::{Isa, Kernel};

/// `W: [n, k]` in bf16, through a file as every head.
fn head(n: usize, k: usize, weight: impl Fn(usize, usize) -> f32) -> DenseMatrix {
    let weights = (0..n * k).map(|i| bf16::from_f32(weight(i / k, i % k)));
    let bytes: Vec<u8> = weights.flat_map(|w| w.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::BF16, vec![n, k], &bytes).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    safetensors::serialize_to_file([("head", view)], None, file.path()).unwrap();
    DenseMatrix::load(&TensorFiles::open_file(file.path()).unwrap(), "head", n, k).unwrap()
}

/// Compares the `top` largest with those of the dense product, bit for bit; returns the rows finished.
fn check(w: &DenseMatrix, x: &[f32], top: usize) -> usize {
    let planes = PlaneMatrix::new(Kernel::detect(), w);
    let mut finished = 0;
    for kernel in Kernel::available() {
        for threads in [1, 2] {
            let cpu = Cpu::new(threads, kernel).unwrap();
            let mut want = vec![0.0; w.rows()];
            cpu.dense(w, x, &mut want);
            let (mut screen, mut got) = (Screen::default(), vec![0.0; w.rows()]);
            cpu.screened(w, &planes, x, top, &mut screen, &mut got);
            let mut order: Vec<usize> = (0..w.rows()).collect();
            order.sort_by(|&a, &b| want[b].total_cmp(&want[a]).then(a.cmp(&b)));
            // Rows that tie with the last one may win as well.
            let last = want[order[top - 1]];
            for row in order.into_iter().take_while(|&row| want[row] >= last) {
                assert_eq!(
                    got[row].to_bits(),
                    want[row].to_bits(),
                    "row {row} of {}",
                    w.rows()
                );
            }
            for (row, (got, want)) in got.iter().zip(&want).enumerate() {
                let left_out = *got == f32::NEG_INFINITY;
                assert!(left_out || got.to_bits() == want.to_bits(), "row {row}");
            }
            finished = screen.read().rows;
        }
    }
    finished
}

fn normal(rng: &mut StdRng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

#[test]
fn the_largest_of_random_heads_are_found() {
    let mut rng = StdRng::seed_from_u64(1);
    // The last has more blocks than rows are asked for, the first two are left to the dense product at times.
    for (n, k) in [(64, 1), (1700, 96), (11_000, 64)] {
        let values: Vec<f32> = (0..n * k).map(|_| normal(&mut rng) * 0.02).collect();
        let w = head(n, k, |row, column| values[row * k + column]);
        for top in [1, 5, 40] {
            let x: Vec<f32> = (0..k).map(|_| normal(&mut rng)).collect();
            check(&w, &x, top.min(n));
        }
    }
}

#[test]
fn few_rows_are_finished_when_one_stands_out() {
    let mut rng = StdRng::seed_from_u64(2);
    let (n, k) = (6000, 256);
    let x: Vec<f32> = (0..k).map(|_| normal(&mut rng)).collect();
    let noise: Vec<f32> = (0..n * k).map(|_| normal(&mut rng)).collect();
    let w = head(n, k, |row, column| {
        let along = if row == 4321 { x[column] } else { 0.0 };
        noise[row * k + column] + along
    });
    assert!(check(&w, &x, 1) < 100);
}

#[test]
fn ties_zeros_and_outliers() {
    let (n, k) = (1500, 130);
    let x: Vec<f32> = (0..k)
        .map(|i| if i == 7 { 1e4 } else { (i as f32).sin() })
        .collect();
    // Equal rows, rows of zeros, tiny and huge rows.
    let w = head(n, k, |row, column| {
        let v = ((row / 3 * 31 + column * 17) % 23) as f32 - 11.0;
        match row % 5 {
            0 => 0.0,
            1 => v * 1e-38,
            2 => v * 1e4,
            _ => v,
        }
    });
    for top in [1, 2, 4] {
        check(&w, &x, top);
        check(&w, &vec![0.0; k], top);
        check(&w, &x.iter().map(|v| v * 1e-30).collect::<Vec<_>>(), top);
        check(&w, &x.iter().map(|v| v * 3e34).collect::<Vec<_>>(), top);
    }
}

#[test]
fn an_input_that_is_no_number_is_left_to_the_dense_product() {
    let w = head(200, 64, |row, column| (row + column) as f32);
    let mut x = vec![1.0; 64];
    x[3] = f32::INFINITY;
    let cpu = Cpu::new(1, Kernel::detect()).unwrap();
    let (mut screen, mut y) = (Screen::default(), vec![0.0; 200]);
    cpu.screened(
        &w,
        &PlaneMatrix::new(Kernel::detect(), &w),
        &x,
        1,
        &mut screen,
        &mut y,
    );
    assert!(y.iter().all(|y| !y.is_finite()));
}

#[test]
fn int8_is_close_to_dense_and_the_same_on_every_isa() {
    let mut rng = StdRng::seed_from_u64(3);
    let (n, k) = (500, 320);
    let values: Vec<f32> = (0..n * k).map(|_| normal(&mut rng)).collect();
    let w = head(n, k, |row, column| values[row * k + column]);
    let x: Vec<f32> = (0..k).map(|_| normal(&mut rng)).collect();
    let planes = PlaneMatrix::new(Kernel::detect(), &w);
    let mut first: Option<Vec<f32>> = None;
    for kernel in Kernel::available() {
        let cpu = Cpu::new(2, kernel).unwrap();
        let (mut dense, mut int8) = (vec![0.0; n], vec![0.0; n]);
        cpu.dense(&w, &x, &mut dense);
        cpu.int8(&planes, &x, &mut Screen::default(), &mut int8);
        let errors = dense
            .iter()
            .zip(&int8)
            .map(|(a, b)| f64::from(a - b).powi(2));
        let rms = (errors.sum::<f64>() / n as f64).sqrt();
        // Logits have a deviation of sqrt(320); codes of 8 bits on both sides lose about 1 %.
        assert!(rms < 0.02 * (k as f64).sqrt(), "{rms}");
        assert_eq!(*first.get_or_insert_with(|| int8.clone()), int8);
    }
}

#[test]
fn dense_rows_have_the_same_bits_on_every_isa() {
    let mut rng = StdRng::seed_from_u64(4);
    for k in [1, 31, 32, 33, 100, 320] {
        let n = 70;
        let values: Vec<f32> = (0..n * k).map(|_| normal(&mut rng)).collect();
        let w = head(n, k, |row, column| values[row * k + column]);
        let x: Vec<f32> = (0..2 * k).map(|_| normal(&mut rng)).collect();
        let mut want = vec![0.0; 2 * n];
        Cpu::new(1, Kernel::new(Isa::Scalar).unwrap())
            .unwrap()
            .dense(&w, &x, &mut want);
        for kernel in Kernel::available() {
            let cpu = Cpu::new(2, kernel).unwrap();
            let mut all = vec![0.0; 2 * n];
            cpu.dense(&w, &x, &mut all);
            assert_eq!(all, want, "{} K {k}", kernel.isa());
            let list = [69, 0, 3, 3, 17];
            let mut some = [0.0; 5];
            kernel.dense_rows(&w, Lines::Listed(&list), &x[..k], &mut some);
            assert_eq!(some, list.map(|row| want[row as usize]));
        }
    }
}
