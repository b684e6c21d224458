//! Which commands the kernel refuses, and with which code.
//!
//! Checks run in the order that `tercet_contract::error_code` documents; the first that fails is
//! reported. Of `BadLength` only what is empty is among them: the rest is found while streaming.

use tercet_contract::command::{is_address, FLAGS, OPCODE_GEMV, OPCODE_STOP};
use tercet_contract::digits::MAX_DIGITS;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::geometry::MAX_ROWS;
use tercet_contract::{Command, Geometry};

/// The activations in the RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Their K.
    pub k: u16,
    /// Their vectors.
    pub vectors: u8,
}

/// Refuses what the kernel refuses. `loaded` are the activations loaded last since the start.
pub fn check(
    geometry: &Geometry,
    command: &Command,
    loaded: Option<Loaded>,
) -> Result<(), ErrorCode> {
    if command.opcode == OPCODE_STOP {
        return Ok(());
    }
    let within = |value: u32, most: usize| value != 0 && value as usize <= most;
    let kept = loaded.is_some_and(|l| l.k == command.k && l.vectors >= command.vectors);
    let rules = [
        (command.opcode == OPCODE_GEMV, ErrorCode::BadOpcode),
        (
            command.flags & !FLAGS == 0 && (!command.keeps_activations() || kept),
            ErrorCode::BadFlags,
        ),
        (
            within(command.vectors.into(), geometry.batch()),
            ErrorCode::BadVectors,
        ),
        (
            within(command.digits.into(), MAX_DIGITS),
            ErrorCode::BadDigits,
        ),
        (within(command.rows, MAX_ROWS), ErrorCode::BadRows),
        (
            within(command.k.into(), geometry.max_k())
                && usize::from(command.row_beats) == geometry.row_beats(command.k.into()),
            ErrorCode::BadK,
        ),
        (
            is_address(command.weights)
                && is_address(command.activations)
                && is_address(command.results)
                && (!command.has_run_list() || is_address(command.run_list)),
            ErrorCode::BadAddress,
        ),
        (
            command.weight_beats != 0 && (!command.has_run_list() || command.runs != 0),
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
        let verdict = |c: &Command| check(&g, c, Some(Loaded { k: 700, vectors: 1 }));
        assert_eq!(verdict(&c), Ok(()));
        // From the last rule to the first: every further fault hides those before it.
        c.weight_beats = 0;
        assert_eq!(verdict(&c), Err(ErrorCode::BadLength));
        c.results += 4;
        assert_eq!(verdict(&c), Err(ErrorCode::BadAddress));
        c.row_beats += 1;
        assert_eq!(verdict(&c), Err(ErrorCode::BadK));
        c.rows = MAX_ROWS as u32 + 1;
        assert_eq!(verdict(&c), Err(ErrorCode::BadRows));
        c.digits = 6;
        assert_eq!(verdict(&c), Err(ErrorCode::BadDigits));
        c.vectors = 2;
        assert_eq!(verdict(&c), Err(ErrorCode::BadVectors));
        c.flags = 4;
        assert_eq!(verdict(&c), Err(ErrorCode::BadFlags));
        c.opcode = 0;
        assert_eq!(verdict(&c), Err(ErrorCode::BadOpcode));
        c.opcode = OPCODE_STOP;
        assert_eq!(verdict(&c), Ok(()), "nothing else of a STOP is looked at");
    }

    #[test]
    fn activations_are_kept_for_the_same_k_and_no_more_vectors() {
        let g: Geometry = "512-b3-x4".parse().unwrap();
        let of = |vectors| {
            let c = Command::gemv(&g, 4, 700, 64, 128, 192).unwrap();
            c.keep_activations().with_vectors(&g, vectors).unwrap()
        };
        let loaded = |k, vectors| Some(Loaded { k, vectors });
        assert_eq!(check(&g, &of(2), loaded(700, 2)), Ok(()));
        assert_eq!(check(&g, &of(2), loaded(700, 4)), Ok(()));
        for found in [loaded(701, 2), loaded(700, 1), None] {
            assert_eq!(check(&g, &of(2), found), Err(ErrorCode::BadFlags));
        }
    }

    #[test]
    fn a_run_list_has_an_address_and_a_length() {
        let g = Geometry::DEFAULT;
        let c = Command::gemv(&g, 4, 700, 64, 128, 192).unwrap();
        let mut listed = c.with_run_list(256, 1).unwrap();
        assert_eq!(check(&g, &listed, None), Ok(()));
        listed.runs = 0;
        assert_eq!(check(&g, &listed, None), Err(ErrorCode::BadLength));
        listed.run_list = 1 << 48;
        assert_eq!(check(&g, &listed, None), Err(ErrorCode::BadAddress));
        listed.flags = 0;
        assert_eq!(check(&g, &listed, None), Ok(()), "without the flag");
    }
}
