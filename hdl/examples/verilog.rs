//! Prints the Verilog of a kernel, `verilog GEOMETRY`, or of a board, `verilog ulx3s`. Without a name, the names of
//! all kernels.
//!
//! For scripts that need the text and nothing else.

use std::process::ExitCode;

use tercet_contract::Geometry;
use tercet_hdl::board::{emit_ulx3s, BIT_CYCLES};

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        for geometry in Geometry::all() {
            println!("{geometry}");
        }
        return ExitCode::SUCCESS;
    };
    let verilog = match name.as_str() {
        "ulx3s" => emit_ulx3s(BIT_CYCLES).map_err(|error| error.to_string()),
        _ => name
            .parse::<Geometry>()
            .map_err(|error| error.to_string())
            .and_then(|geometry| tercet_hdl::emit(&geometry).map_err(|error| error.to_string())),
    };
    match verilog {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {name}: {message}");
            ExitCode::from(2)
        }
    }
}
