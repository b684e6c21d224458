//! Which commands the kernel refuses, and with which code.
//!
//! Checks run in the order of the codes in [`ErrorCode`]; the first that fails is reported.

use tercet_contract::command::OPCODE_GEMV;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::geometry::MAX_ROWS;
use tercet_contract::layout::ALIGNMENT;
use tercet_contract::{Command, Geometry};

/// Refuses what the kernel refuses.
pub fn check(geometry: &Geometry, command: &Command) -> Result<(), ErrorCode> {
    let within = |value: u32, most: usize| value != 0 && value as usize <= most;
    let aligned = |offset: u64| offset % ALIGNMENT as u64 == 0;
    let rules = [
        (command.opcode == OPCODE_GEMV, ErrorCode::BadOpcode),
        (within(command.rows, MAX_ROWS), ErrorCode::BadRows),
        (
            within(command.k, geometry.max_k())
                && within(command.row_beats, geometry.activation_words()),
            ErrorCode::BadK,
        ),
        (
            within(u32::from(command.vectors), geometry.batch()),
            ErrorCode::BadVectors,
        ),
        (
            aligned(command.weights) && aligned(command.activations) && aligned(command.results),
            ErrorCode::BadAlignment,
        ),
        (
            u64::from(command.rows) * u64::from(command.row_beats)
                == u64::from(command.weight_beats),
            ErrorCode::BadLength,
        ),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        Some((_, code)) => Err(code),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_code_and_the_first_wins() {
        let g = Geometry::DEFAULT;
        let mut c = Command::gemv(&g, 4, 700, 64, 128, 192).unwrap();
        assert_eq!(check(&g, &c), Ok(()));
        // From the last rule to the first: every further fault hides those before it.
        c.weight_beats += 1;
        assert_eq!(check(&g, &c), Err(ErrorCode::BadLength));
        c.results += 4;
        assert_eq!(check(&g, &c), Err(ErrorCode::BadAlignment));
        c.vectors = 2;
        assert_eq!(check(&g, &c), Err(ErrorCode::BadVectors));
        c.row_beats = g.activation_words() as u32 + 1;
        assert_eq!(check(&g, &c), Err(ErrorCode::BadK));
        c.rows = MAX_ROWS as u32 + 1;
        assert_eq!(check(&g, &c), Err(ErrorCode::BadRows));
        c.opcode = 0;
        assert_eq!(check(&g, &c), Err(ErrorCode::BadOpcode));
    }
}
