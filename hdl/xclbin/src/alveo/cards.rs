//! Alveo cards: platform and memory, as AMD publishes them.

/// A card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Short name, as board files have it.
    pub name: &'static str,
    /// Platform that images are linked for.
    pub platform: &'static str,
    /// Name of its memory in connectivity files.
    pub memory: CardMemory,
    /// Banks or pseudo-channels of that memory.
    pub banks: usize,
    /// MiB of each.
    pub bank_mib: usize,
    /// Compute units where none are asked for: each still has its weights on channels of its own.
    pub default_cus: usize,
}

/// Memory of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardMemory {
    /// DDR4 banks; a buffer lies in one.
    Ddr,
    /// HBM pseudo-channels; a buffer may lie in a range of them.
    Hbm,
}

impl CardMemory {
    /// Its name in connectivity files.
    pub fn name(self) -> &'static str {
        match self {
            CardMemory::Ddr => "DDR",
            CardMemory::Hbm => "HBM",
        }
    }
}

const fn hbm(name: &'static str, platform: &'static str, bank_mib: usize) -> Card {
    Card {
        name,
        platform,
        memory: CardMemory::Hbm,
        banks: 32,
        bank_mib,
        default_cus: 4,
    }
}

/// The cards. Memory: data sheets DS965 (U50), DS978 (U55C), DS963 (U280), DS962 (U250).
pub const CARDS: [Card; 4] = [
    hbm("u50", "xilinx_u50_gen3x16_xdma_5_202210_1", 256),
    hbm("u55c", "xilinx_u55c_gen3x16_xdma_3_202210_1", 512),
    hbm("u280", "xilinx_u280_gen3x16_xdma_1_202211_1", 256),
    Card {
        name: "u250",
        platform: "xilinx_u250_gen3x16_xdma_4_1_202210_1",
        memory: CardMemory::Ddr,
        banks: 4,
        bank_mib: 16_384,
        default_cus: 2,
    },
];

/// The card of a name.
pub fn find(name: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.name == name)
}
