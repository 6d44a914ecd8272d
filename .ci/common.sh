# What .ci/run, .ci/ecosystem and its parts have in common: sourced, from any folder.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
export CARGO_TERM_PROGRESS_WHEN=never
# Nothing is built twice here.
export CARGO_INCREMENTAL=0
# A snapshot that differs fails its test and is not written.
export INSTA_UPDATE=no
# The settings of the user who runs this must not decide what the tests see, nor may their tokens.
while IFS= read -r name; do unset "$name"; done < <(compgen -e | grep -E '^(HOUSTON_|ASTRO_)' || true)

if ! command -v cargo >/dev/null && [ -f "${CARGO_HOME:-$HOME/.cargo}/env" ]; then
    # shellcheck source=/dev/null
    . "${CARGO_HOME:-$HOME/.cargo}/env"
fi

# Where everything that is built and installed goes.
target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target"
target="$(cd "$target" && pwd)"

# Installs packages of the system; fails where that is not possible.
install_packages() {
    command -v apt-get >/dev/null || return 1
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    echo "ci: installing $*"
    "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Installs packages for a command that is missing: need COMMAND PACKAGE...
need() {
    command -v "$1" >/dev/null || install_packages "${@:2}"
}

current=""
finish() {
    local status=$?
    [ -z "$current" ] || echo "ci: FAILED after $((SECONDS - began)) s: $current"
    [ "$status" -eq 0 ] && echo "ci: everything passed in $SECONDS s" || echo "ci: failed in $SECONDS s"
}

# Runs a command, and says what it is and how long it took.
step() {
    current="$*"
    began=$SECONDS
    echo "ci: $current"
    "$@"
    current=""
    echo "ci: ok after $((SECONDS - began)) s: $*"
}
