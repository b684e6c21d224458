//! What Verilator says about a kernel beyond the waivers.

use std::path::Path;

use tercet_contract::{Geometry, KERNEL_NAME};

use super::tools::{run, verilator_version, VERILATOR};
use super::WAIVERS;
use crate::error::SimError;

/// Messages of `verilator --lint-only -Wall` on the emitted kernel outside `waivers.vlt`. Empty
/// when it is clean.
pub fn lint(geometry: &Geometry) -> Result<String, SimError> {
    lint_verilog(&tercet_hdl::emit(geometry)?)
}

/// [`lint`] of a given Verilog text.
fn lint_verilog(verilog: &str) -> Result<String, SimError> {
    verilator_version()?;
    let folder = tempfile::tempdir().map_err(|source| SimError::Cache {
        path: std::env::temp_dir(),
        source,
    })?;
    write(folder.path(), "ternary_gemv.v", verilog)?;
    write(folder.path(), "waivers.vlt", WAIVERS)?;
    let arguments = [
        "--lint-only",
        "-Wall",
        "--top-module",
        KERNEL_NAME,
        "waivers.vlt",
        "ternary_gemv.v",
    ];
    let outcome = run(&VERILATOR, arguments, folder.path())?;
    if !outcome.success && outcome.text.trim().is_empty() {
        return Err(VERILATOR.fails("--lint-only", &outcome));
    }
    // A clean run may still print a summary.
    Ok(if outcome.success && !outcome.text.contains("%Warning") {
        String::new()
    } else {
        outcome.text
    })
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), SimError> {
    super::cache::write(&folder.join(name), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kept beside the function: it needs no kernel, only Verilator.
    #[test]
    fn only_waived_warnings_pass() {
        let lint = |body: &str| {
            let text = format!(
                "module {KERNEL_NAME}(input [3:0] a, output [7:0] b);\n{body}\nendmodule\n"
            );
            lint_verilog(&text)
        };
        match lint("assign b = a;") {
            Err(SimError::MissingTool { .. }) if std::env::var_os("CI").is_none() => {
                eprintln!("SKIPPED: verilator is not installed");
                return;
            }
            clean => assert_eq!(clean.unwrap(), ""),
        }
        let undriven = lint("wire unused = a[0]; assign b = 8'd1;").unwrap();
        assert!(undriven.contains("UNUSED"), "{undriven}");
        assert!(lint("assign b = nothing;").unwrap().contains("nothing"));
    }
}
