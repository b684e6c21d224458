//! What one compute unit takes, from the committed synthesis tables.

use tercet_contract::geometry::LONGEST_K;
use tercet_contract::Geometry;

use super::{Amounts, Family};

const ULTRASCALE_PLUS: &str = include_str!("../../../hdl/resources/xilinx-ultrascale-plus.csv");
const ECP5: &str = include_str!("../../../hdl/resources/ecp5-85k.csv");

/// Logic that one compute unit takes.
pub type Footprint = Amounts<f64>;

impl Footprint {
    /// What a kernel takes on parts of a family; none where it was not synthesised. A shorter longest K than the
    /// table's takes no more than the table's; a longer one is not in it.
    pub fn of(geometry: &Geometry, family: Family) -> Option<Footprint> {
        if geometry.max_k() > LONGEST_K[0] {
            return None;
        }
        let name = geometry.with_max_k(LONGEST_K[0]).ok()?.to_string();
        let table = match family {
            Family::UltrascalePlus | Family::Versal => ULTRASCALE_PLUS,
            Family::Ecp5 => ECP5,
        };
        let row = Row::find(table, &name)?;
        Some(match family {
            Family::UltrascalePlus | Family::Versal => Footprint {
                lut: row.get("lut")? + row.get("lutram_lut")? + row.get("shift_lut")?,
                ff: row.get("ff")?,
                bram36: row.get("bram36")?,
                uram: row.get("uram")?,
                dsp: row.get("dsp")?,
            },
            Family::Ecp5 => Footprint {
                lut: row.get("trellis_comb")?,
                ff: row.get("trellis_ff")?,
                bram36: row.get("dp16kd")? / 2.0,
                uram: 0.0,
                dsp: row.get("mult18x18d")?,
            },
        })
    }
}

/// A line of a table with its head.
struct Row<'a> {
    head: Vec<&'a str>,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// The first row of a geometry: seeds of the same kernel differ in speed only.
    fn find(table: &'a str, geometry: &str) -> Option<Row<'a>> {
        let mut lines = table.lines().map(|l| l.split(',').collect::<Vec<_>>());
        let head = lines.next()?;
        let cells = lines.find(|cells| cells[0] == geometry)?;
        Some(Row { head, cells })
    }

    fn get(&self, column: &str) -> Option<f64> {
        let at = self.head.iter().position(|c| *c == column)?;
        self.cells.get(at)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_kernel_has_a_footprint_and_wider_ones_take_more() {
        let of = |name: &str| {
            let geometry: Geometry = name.parse().unwrap();
            Footprint::of(&geometry, Family::UltrascalePlus).unwrap()
        };
        for geometry in Geometry::standard() {
            let found = of(&geometry.to_string());
            assert!(found.lut > 1000.0 && found.dsp == 0.0, "{geometry}");
        }
        assert_eq!(of("128-b2").lut, 3615.0);
        assert_eq!(of("128-b2-k8192"), of("128-b2"));
        assert!(of("512-b3-x4").bram36 > of("512-b3").bram36);
    }

    #[test]
    fn kernels_that_were_not_synthesised_have_none() {
        let of = |name: &str, family| Footprint::of(&name.parse().unwrap(), family);
        assert!(of("128-b2", Family::Ecp5).is_some());
        assert!(of("512-b3", Family::Ecp5).is_none());
        assert!(of("128-b2-k32768", Family::UltrascalePlus).is_none());
    }
}
