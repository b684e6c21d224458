//! What quantisation did to each weight.

use half::bf16;
use ndarray::ArrayView1;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artefact::Artefact;
use crate::checkpoint::weights::Master;
use crate::model::{LinearId, TritCounts};

/// What became of one weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerReport {
    /// Which linear.
    pub id: LinearId,
    /// Rows.
    pub n: usize,
    /// Columns.
    pub k: usize,
    /// Weight scale as stored: max(mean |W|, 1e-5) rounded to bf16.
    pub scale: f32,
    /// How many weights became -1, 0 and +1.
    pub counts: TritCounts,
    /// Their shares, in that order.
    pub shares: [f64; 3],
    /// `|W - scale T| / |W|` in Frobenius norms; 0 for a weight of zeros.
    pub relative_error: f64,
    /// Bits a weight, at most log2(3).
    pub entropy_bits: f64,
}

/// What quantisation did to every weight of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuantizeReport {
    /// Every linear, in the order they are computed.
    pub layers: Vec<LayerReport>,
    /// Bytes of all tensors before.
    pub input_bytes: u64,
    /// Bytes of all tensors after.
    pub output_bytes: u64,
}

impl Artefact for QuantizeReport {
    const SCHEMA: &'static str = "tercet.quantization";
    const VERSION: u32 = 1;
}

impl LayerReport {
    /// Measures one weight about to become ternary.
    pub(super) fn measure(id: LinearId, master: &Master) -> Self {
        let (n, k) = master.shape();
        let scale = stored_scale(master).to_f32();
        let mut row = vec![0.0; k];
        let mut counts = TritCounts::default();
        let (mut error, mut size) = (0.0, 0.0);
        for n in 0..n {
            master.row(n, &mut row);
            let weights = ArrayView1::from(&row);
            let trits = weights.mapv(|w| master.absmean.trit(w));
            error += squares((&weights - &trits.mapv(|t| f32::from(t) * scale)).view());
            size += squares(weights);
            counts += TritCounts::of(trits.iter().copied());
        }
        LayerReport {
            id,
            n,
            k,
            scale,
            counts,
            shares: counts.shares(),
            relative_error: if size > 0.0 {
                (error / size).sqrt()
            } else {
                0.0
            },
            entropy_bits: counts.entropy_bits(),
        }
    }
}

/// The weight scale that is written to the checkpoint.
pub(super) fn stored_scale(master: &Master) -> bf16 {
    bf16::from_f32(master.absmean.mean())
}

fn squares(v: ArrayView1<f32>) -> f64 {
    v.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}
