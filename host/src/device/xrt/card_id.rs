//! Which card of a machine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which card of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CardId {
    /// By its number, from 0.
    Index(u32),
    /// By its place on the bus: `0000:65:00.1`.
    Bdf(String),
}

impl fmt::Display for CardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CardId::Index(index) => write!(f, "{index}"),
            CardId::Bdf(bdf) => f.write_str(bdf),
        }
    }
}

impl FromStr for CardId {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        if let Ok(index) = s.parse() {
            return Ok(CardId::Index(index));
        }
        let is_bdf = s.contains(':')
            && s.chars()
                .all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
        match is_bdf {
            true => Ok(CardId::Bdf(s.to_string())),
            false => Err(format!(
                "card `{s}`: expected a number from 0 or a place on the bus such as 0000:65:00.1"
            )),
        }
    }
}
