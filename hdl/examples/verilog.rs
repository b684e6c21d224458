//! Prints the Verilog of a kernel: `verilog GEOMETRY`. Without a geometry, the names of all.
//!
//! For scripts that need the text of a kernel and nothing else.

use std::process::ExitCode;

use tercet_contract::Geometry;

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        for geometry in Geometry::all() {
            println!("{geometry}");
        }
        return ExitCode::SUCCESS;
    };
    let verilog = name
        .parse::<Geometry>()
        .map_err(|error| error.to_string())
        .and_then(|geometry| tercet_hdl::emit(&geometry).map_err(|error| error.to_string()));
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
