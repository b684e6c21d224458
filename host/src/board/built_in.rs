//! Board files that are part of the program.

const BUILT_IN: [(&str, &str); 12] = [
    ("u50", include_str!("../../boards/u50.toml")),
    ("u55c", include_str!("../../boards/u55c.toml")),
    ("u280", include_str!("../../boards/u280.toml")),
    ("u200", include_str!("../../boards/u200.toml")),
    ("u250", include_str!("../../boards/u250.toml")),
    ("v80", include_str!("../../boards/v80.toml")),
    ("vck5000", include_str!("../../boards/vck5000.toml")),
    ("kv260", include_str!("../../boards/kv260.toml")),
    ("aws-f1", include_str!("../../boards/aws-f1.toml")),
    ("aws-f2", include_str!("../../boards/aws-f2.toml")),
    ("ecpix5", include_str!("../../boards/ecpix5.toml")),
    ("ulx3s", include_str!("../../boards/ulx3s.toml")),
];

/// Names of the boards that are part of the program.
pub fn available() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}

/// Text of the file of a built-in board: a start for one's own.
pub fn text(name: &str) -> Option<&'static str> {
    let found = BUILT_IN.iter().find(|(n, _)| *n == name);
    found.map(|(_, text)| *text)
}
