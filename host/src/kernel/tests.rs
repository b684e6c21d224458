//! Every kernel against the reference, on shapes and values where packing, tiling and narrow sums
//! could go wrong.

use std::convert::Infallible;

use ndarray::ArrayView2;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::activations::Activations;
use super::matrix::{Order, TernaryMatrix};
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
        kernel.rows(w.lines(), Lines::From(7), &x, &mut part);
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
