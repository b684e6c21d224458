//! Every kernel against the reference, on shapes and values where packing, tiling and narrow sums
//! could go wrong.

use std::convert::Infallible;

use ndarray::ArrayView2;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::activations::Activations;
use super::matrix::{Order, TernaryMatrix};
use super::panel::TILE_ROWS;
use super::products::Scratch;
use super::{reference, Cpu, Isa, Kernel, Lines};

/// Compares every kernel with the reference on `trits: [N, K]` and `codes: [T, K]`.
fn check(n: usize, k: usize, tokens: usize, trits: &[i8], codes: &[i8]) {
    let w = ArrayView2::from_shape((n, k), trits).unwrap();
    let x = ArrayView2::from_shape((tokens, k), codes).unwrap();
    let want = reference::ternary(w, x);
    let activations = Activations::from_codes(codes, k);
    for order in [Order::Rows, Order::Columns] {
        let packed = TernaryMatrix::from_trits(order, n, k, trits);
        for kernel in Kernel::available() {
            for threads in [1, 2] {
                let acc = sums(kernel, threads, &packed, &activations);
                let acc = ArrayView2::from_shape((tokens, n), &acc).unwrap();
                let isa = kernel.isa();
                assert_eq!(acc, want, "{isa} {order:?} N {n} K {k} T {tokens}");
            }
            let acc = tiles(kernel, &packed, &activations);
            let acc = ArrayView2::from_shape((tokens, n), &acc).unwrap();
            let isa = kernel.isa();
            assert_eq!(acc, want, "{isa} {order:?} N {n} K {k} T {tokens}, tiles");
        }
    }
}

/// Exact sums `[T, N]`.
fn sums(kernel: Kernel, threads: usize, w: &TernaryMatrix, x: &Activations) -> Vec<i32> {
    let cpu = Cpu::new(threads, kernel).unwrap();
    let mut acc = vec![i32::MIN; w.n() * x.tokens()];
    cpu.ternary(w, x, &mut Scratch::default(), &mut acc, |_, sums, out| {
        out.copy_from_slice(sums);
    });
    acc
}

/// The same by the kernel for many tokens, however few they are.
fn tiles(kernel: Kernel, w: &TernaryMatrix, x: &Activations) -> Vec<i32> {
    let (n, tokens) = (w.n(), x.tokens());
    let mut acc = vec![i32::MIN; n * tokens];
    for tile in 0..n.div_ceil(TILE_ROWS) {
        let mut sums = vec![0; tokens * TILE_ROWS];
        kernel.tile(w.order(), w.lines(), tile, x, &mut sums);
        for t in 0..tokens {
            let first = tile * TILE_ROWS;
            let rows = TILE_ROWS.min(n - first);
            acc[t * n + first..][..rows].copy_from_slice(&sums[t * TILE_ROWS..][..rows]);
        }
    }
    acc
}

fn random(rng: &mut StdRng, count: usize, low: i8, high: i8) -> Vec<i8> {
    (0..count).map(|_| rng.random_range(low..=high)).collect()
}

#[test]
fn random_shapes() {
    let mut rng = StdRng::seed_from_u64(11);
    for k in [
        1, 2, 63, 64, 65, 127, 255, 256, 257, 511, 1000, 1792, 1793, 2560,
    ] {
        for (n, tokens) in [
            (1, 1),
            (3, 1),
            (8, 1),
            (13, 1),
            (9, 2),
            (7, 3),
            (5, 4),
            (11, 9),
            (70, 6),
            (66, 25),
        ] {
            let trits = random(&mut rng, n * k, -1, 1);
            let codes = random(&mut rng, tokens * k, -128, 127);
            check(n, k, tokens, &trits, &codes);
        }
    }
}

#[test]
fn extreme_values_over_a_long_k() {
    // 20 chunks: narrow sums must be widened in time.
    for k in [5120, 5121] {
        for code in [-128i8, 127] {
            for trit in [-1i8, 0, 1] {
                check(9, k, 5, &vec![trit; 9 * k], &vec![code; 5 * k]);
            }
        }
    }
}

#[test]
fn codes_of_planes_go_up_to_three() {
    let (n, k) = (70, 5121);
    for order in [Order::Rows, Order::Columns] {
        let codes = TernaryMatrix::from_codes(order, n, k, |_, codes| {
            codes.fill(3);
            Ok::<(), Infallible>(())
        });
        let w = codes.unwrap();
        for kernel in Kernel::available() {
            for (code, tokens) in [(-128i8, 1), (-128, 5), (127, 1), (127, 5)] {
                let x = Activations::from_codes(&vec![code; tokens * k], k);
                let want = vec![2 * k as i32 * i32::from(code); n * tokens];
                assert_eq!(sums(kernel, 1, &w, &x), want, "{} {order:?}", kernel.isa());
                assert_eq!(tiles(kernel, &w, &x), want, "{} {order:?}", kernel.isa());
            }
        }
    }
}

#[test]
fn large_products_on_several_threads() {
    let mut rng = StdRng::seed_from_u64(3);
    let (n, k) = (513, 1025);
    let trits = random(&mut rng, n * k, -1, 1);
    check(n, k, 1, &trits, &random(&mut rng, k, -128, 127));
    check(n, k, 5, &trits, &random(&mut rng, 5 * k, -128, 127));
}

#[test]
fn listed_rows_and_rows_from_anywhere() {
    let mut rng = StdRng::seed_from_u64(5);
    let (n, k) = (300, 700);
    let w = TernaryMatrix::from_trits(Order::Rows, n, k, &random(&mut rng, n * k, -1, 1));
    let x = Activations::from_codes(&random(&mut rng, k, -128, 127), k);
    for kernel in Kernel::available() {
        let all = sums(kernel, 1, &w, &x);
        let mut part = vec![0; 18];
        kernel.rows(w.lines(), Lines::From(7), &x, 0, &mut part);
        assert_eq!(part, all[7..25]);
        for list in [
            vec![],
            vec![5],
            vec![299, 0, 3, 3, 17, 100],
            (0..300).step_by(2).collect(),
        ] {
            let mut some = vec![0; list.len()];
            let cpu = Cpu::new(2, kernel).unwrap();
            cpu.listed_rows(&w, &list, &x, &mut some, |sums, out| {
                out.copy_from_slice(sums)
            });
            let want: Vec<i32> = list.iter().map(|&n| all[n as usize]).collect();
            assert_eq!(some, want);
        }
    }
}

#[test]
fn columns_of_zero_activations_change_nothing() {
    let mut rng = StdRng::seed_from_u64(6);
    let (n, k) = (300, 700);
    let trits = random(&mut rng, n * k, -1, 1);
    for open in [0, 1, 3, 17, 400] {
        let mut codes = vec![0; k];
        for i in 0..open {
            codes[(i * 611 + 5) % k] = if i % 2 == 0 { 127 } else { -128 };
        }
        check(n, k, 1, &trits, &codes);
    }
}

#[test]
fn no_tokens() {
    let w = TernaryMatrix::from_trits(Order::Rows, 2, 3, &[1, 0, -1, 1, 1, 1]);
    for kernel in Kernel::available() {
        assert!(sums(kernel, 1, &w, &Activations::from_codes(&[], 3)).is_empty());
    }
}

#[test]
fn isa_names_round_trip_and_detection_takes_the_last() {
    for isa in Isa::ALL {
        assert_eq!(isa.to_string().parse(), Ok(isa));
    }
    assert!("avx1024".parse::<Isa>().is_err());
    let last = Kernel::available().last().unwrap();
    assert_eq!(Kernel::detect().isa(), last.isa());
}

#[test]
fn f32_vectors_have_the_same_bits_on_every_isa() {
    let mut rng = StdRng::seed_from_u64(8);
    for k in [1, 5, 16, 31, 32, 64, 80, 128, 160, 300] {
        for n in [0, 1, 2, 3, 4, 7, 33] {
            let values = |rng: &mut StdRng, count: usize| -> Vec<f32> {
                (0..count).map(|_| rng.random_range(-3.0..3.0)).collect()
            };
            let (x, rows) = (values(&mut rng, k), values(&mut rng, n * k));
            let (weights, start) = (values(&mut rng, n), values(&mut rng, k));
            let mut all = Kernel::available().map(|kernel| {
                let (mut y, mut mix) = (vec![0.0; n], start.clone());
                kernel.dots(&x, &rows, &mut y);
                kernel.add_mix(&weights, &rows, &mut mix);
                let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
                (bits(&y), bits(&mix), kernel.isa())
            });
            let (want_y, want_mix, _) = all.next().unwrap();
            for (i, y) in want_y.iter().enumerate() {
                let row = rows[i * k..][..k].iter().zip(&x);
                let exact: f64 = row.map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                assert!((f64::from(f32::from_bits(*y)) - exact).abs() < 1e-3);
            }
            for (j, y) in want_mix.iter().enumerate() {
                let terms = weights.iter().enumerate().map(|(i, p)| p * rows[i * k + j]);
                assert_eq!(*y, terms.fold(start[j], |sum, v| sum + v).to_bits());
            }
            for (y, mix, isa) in all {
                assert_eq!((&y, &mix), (&want_y, &want_mix), "{isa} N {n} K {k}");
            }
        }
    }
}
