use super::*;

const U55C: &str = include_str!("../../boards/u55c.toml");

#[test]
fn built_in_boards_are_called_as_they_are_found() {
    for name in available() {
        assert_eq!(Board::find(name).unwrap().name, name);
    }
    assert!(available().contains(&DEFAULT_BOARD));
}

#[test]
fn latency_in_cycles_follows_the_clock() {
    let board = Board::find("u55c").unwrap();
    assert_eq!(board.latency_cycles(), 70); // 280 ns at 250 MHz
}

#[test]
fn a_time_is_as_sure_as_the_weakest_figure_in_it() {
    let parse = |text: &str| Board::parse("my.toml", text).unwrap();
    let board = parse(U55C);
    assert_eq!(board.kernel_tier(Tier::CycleAccurate), Tier::Projected);
    let single = Dispatching::SINGLE;
    let published = U55C.replace("\"assumed\"", "\"published\"");
    // The figures are published, the time is not.
    assert_eq!(parse(&published).link_tier(single), Tier::Projected);
    let measured = published.replace("\"published\"", "\"measured\"");
    let board = parse(&measured);
    assert_eq!(board.link_tier(single), Tier::Measured);
    let tier = |cycles| board.device_tier(cycles, single);
    assert_eq!(tier(Tier::CycleAccurate), Tier::CycleAccurate);
    assert_eq!(tier(Tier::Modelled), Tier::Modelled);
}

#[test]
fn figures_of_rings_that_are_left_out_are_assumed() {
    let without = U55C.lines().filter(|l| {
        let keys = ["ring_dispatch_us", "next_launch_us", "next_doorbell_us"];
        !keys.iter().any(|key| l.starts_with(key))
    });
    let measured = without.collect::<Vec<_>>().join("\n");
    let measured = measured
        .replace("\"assumed\"", "\"measured\"")
        .replace("\"published\"", "\"measured\"");
    let board = Board::parse("my.toml", &measured).unwrap();
    let tier = |mode, cus| board.link_tier(Dispatching { mode, cus });
    assert_eq!(board.ring_dispatch_us.basis, Basis::Assumed);
    assert_eq!(tier(Mode::Launch, 1), Tier::Measured);
    assert_eq!(tier(Mode::Launch, 2), Tier::Projected);
    assert_eq!(tier(Mode::Ring, 1), Tier::Projected);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let line = |key: &str| 1 + U55C.lines().position(|l| l.starts_with(key)).unwrap();
    for (key, text, part) in [
        (
            "schema",
            U55C.replace("board/2", "board/9"),
            "tercet.board/2",
        ),
        (
            "clock_mhz",
            U55C.replace("value = 250.0", "value = 250e6"),
            "is the unit right?",
        ),
        (
            "clock_mhz",
            U55C.replace("clock_mhz", "clock_hz"),
            "unknown field `clock_hz`",
        ),
        (
            "[memory]",
            U55C.replace("port_gb_s", "#"),
            "missing field `port_gb_s`",
        ),
        (
            "dispatch_us",
            U55C.replace("value = 75.0", "value = \"75\""),
            "expected f64",
        ),
        (
            "dispatch_us",
            U55C.replace("basis = \"published\"", "basis = \"sure\""),
            "unknown variant `sure`",
        ),
    ] {
        let e = Board::parse("my.toml", &text).unwrap_err();
        assert!(e.to_string().contains(part), "{e}");
        assert_eq!((e.file.as_str(), e.line), ("my.toml", line(key)), "{e}");
    }
}

#[test]
fn an_unknown_board_lists_the_known_ones() {
    let e = Board::find("u999").unwrap_err().to_string();
    assert!(e.contains("u50, u55c, u280"), "{e}");
    let e = Board::find("./none.toml").unwrap_err().to_string();
    assert!(e.contains("./none.toml"), "{e}");
}

/// A line that starts with `key` in the table `within`, from 1.
fn line_of(text: &str, within: &str, key: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let table = lines
        .iter()
        .position(|l| *l == format!("[{within}]"))
        .unwrap();
    let at = lines[table..]
        .iter()
        .position(|l| l.starts_with(key))
        .unwrap();
    table + at + 1
}

/// The file with another value of one figure.
fn with_value(text: &str, within: &str, key: &str, value: &str) -> String {
    let at = line_of(text, within, key);
    let change = |(i, line): (usize, &str)| match i + 1 == at {
        true => {
            let (_, rest) = line.split_once(", basis").unwrap();
            format!("{key} = {{ value = {value}, basis{rest}\n")
        }
        false => format!("{line}\n"),
    };
    text.lines().enumerate().map(change).collect()
}

#[test]
fn figures_that_cannot_be_are_refused_with_their_line() {
    let aws = include_str!("../../boards/aws-f2.toml");
    for (within, key, value, part) in [
        ("memory", "measured_gb_s", "461.0", "above the peak of 460"),
        (
            "memory",
            "port_gb_s",
            "14.4",
            "above the 14.375 GB/s that one of 32 channels",
        ),
        ("memory", "peak_gb_s", "460e9", "is the unit right?"),
        (
            "memory",
            "capacity_gb",
            "17179869184.0",
            "is the unit right?",
        ),
        ("memory", "channels", "31.5", "whole number"),
        ("link", "dispatch_us", "-1.0", "is the unit right?"),
        ("resources.shell", "bram36", "2017.0", "more than the 2016"),
        (
            "resources.limit_percent",
            "lut",
            "0.7",
            "is the unit right?",
        ),
        ("resources.device", "dsp", "-1.0", "is the unit right?"),
    ] {
        let text = with_value(aws, within, key, value);
        let e = Board::parse("my.toml", &text).unwrap_err();
        assert!(e.to_string().contains(part), "{key}: {e}");
        assert_eq!(e.line, line_of(aws, within, key), "{key}: {e}");
    }
}

#[test]
fn a_missing_figure_is_named() {
    let aws = include_str!("../../boards/aws-f2.toml");
    let without = |within: &str, key: &str| -> String {
        let at = line_of(aws, within, key);
        let kept = aws.lines().enumerate().filter(|(i, _)| i + 1 != at);
        kept.map(|(_, line)| format!("{line}\n")).collect()
    };
    for (within, key, part) in [
        ("resources.shell", "uram", "missing field `uram`"),
        ("resources", "family", "missing field `family`"),
        ("memory", "kind", "missing field `kind`"),
        ("memory", "peak_gb_s", "channels, peak_gb_s and capacity_gb"),
    ] {
        let e = Board::parse("my.toml", &without(within, key)).unwrap_err();
        assert!(e.to_string().contains(part) && e.line > 1, "{key}: {e}");
    }
}

#[test]
fn boards_survive_the_way_through_a_file() {
    for name in available() {
        let board = Board::find(name).unwrap();
        assert_eq!(Board::parse("again", &board.to_toml()).unwrap(), board);
        let json = serde_json::to_string(&board).unwrap();
        assert_eq!(serde_json::from_str::<Board>(&json).unwrap(), board);
        for (_, key, f) in board.every_figure() {
            assert!(f.source.len() > 8, "{name}: {key} = {}", f.value);
        }
        assert!(board.extras.resources.is_some() && board.extras.memory.is_some());
    }
}

#[test]
fn files_of_the_first_schema_stay_readable() {
    let optional = [
        "kind",
        "channels",
        "ports",
        "peak_gb_s",
        "measured_gb_s",
        "capacity_gb",
    ];
    let kept = U55C
        .lines()
        .take_while(|l| *l != "[resources]")
        .filter(|l| {
            !optional
                .iter()
                .any(|key| l.starts_with(&format!("{key} =")))
        });
    let first = kept
        .collect::<Vec<_>>()
        .join("\n")
        .replace("board/2", "board/1");
    let board = Board::parse("my.toml", &first).unwrap();
    assert_eq!(board.extras, Extras::default());
    assert_eq!(board.figures(), Board::find("u55c").unwrap().figures());
    let e = Board::parse("my.toml", &U55C.replace("board/2", "board/1")).unwrap_err();
    assert!(e.to_string().contains("tercet.board/2"), "{e}");
}
