//! Single operations give what transformers' functions give (`fixtures/units`).

mod common;

use common::{fixture, max_difference, Expected};
use tercet::checkpoint::files::TensorFiles;
use tercet::checkpoint::packing;
use tercet::checkpoint::weights::Master;
use tercet::kernel::activations::Activations;
use tercet::kernel::{Cpu, Kernel};
use tercet::model::norm::rms_norm;
use tercet::model::rope::Rope;

fn units() -> Expected {
    Expected::read(&fixture("units").join("units.safetensors"))
}

fn cpu() -> Cpu {
    Cpu::new(1, Kernel::detect()).unwrap()
}

#[test]
fn activation_codes_and_scales_are_exact() {
    let units = units();
    for dtype in ["f32", "bf16"] {
        let x = units.floats(&format!("act.{dtype}.in"));
        let a = Activations::quantize(&cpu(), &x, 32);
        let scales: Vec<f32> = (0..a.tokens()).map(|t| a.scale(t)).collect();
        assert_eq!(scales, units.floats(&format!("act.{dtype}.scale")));
        let codes: Vec<i8> = (0..a.tokens()).flat_map(|t| a.codes(t).to_vec()).collect();
        assert_eq!(codes, units.codes(&format!("act.{dtype}.codes")));
    }
    let x = units.floats("act.f32.in");
    let a = Activations::quantize(&cpu(), &x, 32);
    let dequantised: Vec<f32> = (0..a.tokens())
        .flat_map(|t| {
            a.codes(t)
                .iter()
                .map(|&c| f32::from(c) / a.scale(t))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(dequantised, units.floats("act.f32.out"));
}

#[test]
fn absmean_trits_and_scale_are_exact() {
    let units = units();
    let files = TensorFiles::open_file(&fixture("units").join("units.safetensors")).unwrap();
    let tensor = files.get("weight.in").unwrap();
    let master = Master::new(tensor, 8, 32).unwrap();
    let absmean = master.absmean;
    assert_eq!(vec![absmean.mean()], units.floats("weight.absmean"));
    let weights = units.floats("weight.in");
    let trits: Vec<i8> = weights.iter().map(|&w| absmean.trit(w)).collect();
    assert_eq!(trits, units.codes("weight.ternary"));
    let dequantised: Vec<f32> = trits
        .iter()
        .map(|&t| f32::from(t) * absmean.scale())
        .collect();
    assert!(max_difference(&dequantised, &units.floats("weight.out_f32")) < 1e-6);
}

#[test]
fn packing_is_that_of_transformers() {
    let units = units();
    let (trits, packed) = (units.codes("pack.ternary"), units.bytes("pack.packed"));
    let repacked = packing::pack(12, 5, |row, out| {
        out.copy_from_slice(&trits[row * 5..][..5])
    });
    assert_eq!(repacked, packed);
    let mut codes = [0; 5];
    for (row, want) in trits.chunks(5).enumerate() {
        packing::unpack_row(&packed, 12, row, &mut codes);
        assert_eq!(codes.map(|c| c as i8 - 1), want);
    }
}

#[test]
fn rms_norm_agrees() {
    let units = units();
    let x = units.floats("rms.f32.in");
    let mut y = vec![0.0; x.len()];
    rms_norm(&cpu(), &units.floats("rms.f32.weight"), 1e-5, &x, &mut y);
    assert!(max_difference(&y, &units.floats("rms.f32.out")) < 2e-6);
}

#[test]
fn rotary_embedding_agrees() {
    let units = units();
    let positions = units.ids("rope.positions");
    let mut rope = Rope::new(16, 500_000.0);
    rope.extend_to(4096);
    assert!(max_difference(rope.inv_freq(), &units.floats("rope.inv_freq")) < 1e-7);
    let cpu = cpu();
    // [head, position, dim]
    let mut x = units.floats("rope.f32.in");
    for (i, head) in x.chunks_exact_mut(16).enumerate() {
        rope.rotate(&cpu, head, 16, positions[i % positions.len()] as usize);
    }
    assert!(max_difference(&x, &units.floats("rope.f32.out")) < 2e-5);
}
