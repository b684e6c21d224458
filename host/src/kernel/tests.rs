//! Every kernel against the reference, on shapes and values where packing, tiling and narrow sums
//! could go wrong.

use ndarray::ArrayView2;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::activations::Activations;
use super::packed::PackedTrits;
use super::{reference, Cpu, Isa, Kernel};

/// Compares every kernel with the reference on `trits: [N, K]` and `codes: [T, K]`.
fn check(n: usize, k: usize, tokens: usize, trits: &[i8], codes: &[i8]) {
    let w = ArrayView2::from_shape((n, k), trits).unwrap();
    let x = ArrayView2::from_shape((tokens, k), codes).unwrap();
    let want = reference::ternary(w, x).reversed_axes();
    let (packed, activations) = (
        PackedTrits::from_trits(n, k, trits),
        Activations::from_codes(codes, k),
    );
    for kernel in Kernel::available() {
        for threads in [1, 2] {
            let mut acc = vec![i32::MIN; n * tokens];
            let cpu = Cpu::new(threads, kernel).unwrap();
            cpu.ternary(&packed, &activations, &mut acc);
            let acc = ArrayView2::from_shape((n, tokens), &acc).unwrap();
            assert_eq!(acc, want, "{} N {n} K {k} T {tokens}", kernel.isa());
        }
    }
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
fn large_products_on_several_threads() {
    let mut rng = StdRng::seed_from_u64(3);
    let (n, k) = (513, 1025);
    let trits = random(&mut rng, n * k, -1, 1);
    check(n, k, 1, &trits, &random(&mut rng, k, -128, 127));
    check(n, k, 5, &trits, &random(&mut rng, 5 * k, -128, 127));
}

#[test]
fn a_part_of_the_rows() {
    let mut rng = StdRng::seed_from_u64(5);
    let (n, k, tokens) = (40, 300, 5);
    let packed = PackedTrits::from_trits(n, k, &random(&mut rng, n * k, -1, 1));
    let x = Activations::from_codes(&random(&mut rng, tokens * k, -128, 127), k);
    for kernel in Kernel::available() {
        let mut all = vec![0; n * tokens];
        kernel.ternary(&packed, 0..n, &x, &mut all);
        let mut part = vec![0; 18 * tokens];
        kernel.ternary(&packed, 7..25, &x, &mut part);
        assert_eq!(part, all[7 * tokens..25 * tokens]);
    }
}

#[test]
fn no_rows_and_no_tokens() {
    let packed = PackedTrits::from_trits(2, 3, &[1, 0, -1, 1, 1, 1]);
    for kernel in Kernel::available() {
        kernel.ternary(&packed, 0..2, &Activations::from_codes(&[], 3), &mut []);
        kernel.ternary(&packed, 1..1, &Activations::from_codes(&[1; 3], 3), &mut []);
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
