//! Which commands the kernel refuses, and with which code.
//!
//! Checks run in the order that `tercet_contract::error_code` documents; the first that fails is
//! reported. Of `BadLength` only a matrix of no beats is among them: the rest is found while streaming.

use tercet_contract::command::{FLAG_KEEP_ACTIVATIONS, OPCODE_GEMV};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::geometry::MAX_ROWS;
use tercet_contract::layout::ALIGNMENT;
use tercet_contract::{Command, Geometry};

/// Refuses what the kernel refuses. `loaded_k` is the K of the activations that this list has
/// loaded last.
pub fn check(
    geometry: &Geometry,
    command: &Command,
    loaded_k: Option<u32>,
) -> Result<(), ErrorCode> {
    let within = |value: u32, most: usize| value != 0 && value as usize <= most;
    let aligned = |offset: u64| offset.is_multiple_of(ALIGNMENT as u64);
    let rules = [
        (command.opcode == OPCODE_GEMV, ErrorCode::BadOpcode),
        (
            command.flags & !FLAG_KEEP_ACTIVATIONS == 0
                && (!command.keeps_activations() || loaded_k == Some(command.k)),
            ErrorCode::BadFlags,
        ),
        (
            within(u32::from(command.vectors), geometry.batch()),
            ErrorCode::BadVectors,
        ),
        (within(command.rows, MAX_ROWS), ErrorCode::BadRows),
        (
            within(command.k, geometry.max_k())
                && within(command.row_beats, geometry.activation_words()),
            ErrorCode::BadK,
        ),
        (
            aligned(command.weights) && aligned(command.activations) && aligned(command.results),
            ErrorCode::BadAlignment,
        ),
        (command.weight_beats != 0, ErrorCode::BadLength),
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
        let verdict = |c: &Command| check(&g, c, Some(700));
        assert_eq!(verdict(&c), Ok(()));
        // From the last rule to the first: every further fault hides those before it.
        c.results += 4;
        assert_eq!(verdict(&c), Err(ErrorCode::BadAlignment));
        c.row_beats = g.activation_words() as u32 + 1;
        assert_eq!(verdict(&c), Err(ErrorCode::BadK));
        c.rows = MAX_ROWS as u32 + 1;
        assert_eq!(verdict(&c), Err(ErrorCode::BadRows));
        c.vectors = 2;
        assert_eq!(verdict(&c), Err(ErrorCode::BadVectors));
        c.flags = 2;
        assert_eq!(verdict(&c), Err(ErrorCode::BadFlags));
        c.opcode = 0;
        assert_eq!(verdict(&c), Err(ErrorCode::BadOpcode));
    }

    #[test]
    fn activations_are_kept_for_the_same_k_only() {
        let g = Geometry::DEFAULT;
        let c = Command::gemv(&g, 4, 700, 64, 128, 192)
            .unwrap()
            .keep_activations();
        assert_eq!(check(&g, &c, Some(700)), Ok(()));
        assert_eq!(check(&g, &c, Some(701)), Err(ErrorCode::BadFlags));
        assert_eq!(check(&g, &c, None), Err(ErrorCode::BadFlags));
    }
}
