//! "Did you mean": the known name that a misspelled one comes nearest to.

use strsim::damerau_levenshtein;

/// The name among `known` that `name` is probably a misspelling or the beginning of. Upper and lower case are the same;
/// about a third of the letters may differ.
pub fn nearest<S: AsRef<str>>(name: &str, known: impl IntoIterator<Item = S>) -> Option<S> {
    let name = name.trim().to_lowercase();
    if name.is_empty() {
        return None;
    }
    let most = (name.chars().count() / 3).max(1);
    let distance = |candidate: &S| {
        let candidate = candidate.as_ref().to_lowercase();
        match candidate.starts_with(&name) {
            true => 0,
            false => damerau_levenshtein(&name, &candidate),
        }
    };
    let near = known.into_iter().map(|k| (distance(&k), k));
    let (_, best) = near.filter(|(d, _)| *d <= most).min_by_key(|(d, _)| *d)?;
    Some(best)
}

/// The end of a message about an unknown name: "; did you mean `u280`?", or nothing.
pub fn did_you_mean<S: AsRef<str>>(name: &str, known: impl IntoIterator<Item = S>) -> String {
    match nearest(name, known) {
        Some(best) => format!("; did you mean `{}`?", best.as_ref()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_names_are_recognised_and_others_are_not() {
        let boards = ["u50", "u55c", "u280", "kv260", "llama-3-8b"];
        for (name, expected) in [
            ("u28O", Some("u280")),
            ("U55C", Some("u55c")),
            ("u820", Some("u280")),
            ("kv-260", Some("kv260")),
            ("llama-3", Some("llama-3-8b")),
            ("vu9p", None),
            ("", None),
            ("a completely other thing", None),
        ] {
            assert_eq!(nearest(name, boards), expected, "{name}");
        }
        assert_eq!(did_you_mean("u55", boards), "; did you mean `u55c`?");
        assert_eq!(did_you_mean("vu9p", boards), "");
    }
}
