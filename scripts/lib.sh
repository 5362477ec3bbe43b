# SPDX-License-Identifier: MIT
# Shared by every command in scripts/: where things go, what is installed, how progress is told.
# Sourced by bash; needs nothing but a shell, and apt-get if something has to be installed.

set -Eeuo pipefail
trap 'printf "error: %s stopped in line %s\n" "${BASH_SOURCE[0]}" "$LINENO" >&2' ERR

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${HOTLOOP_OUT:-$ROOT/build}
LOGS=$BUILD/log
SYSTEM_PATH=$PATH
mkdir -p "$LOGS"
cd "$ROOT"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 DEBIAN_FRONTEND=noninteractive
# Unbuffered: progress shows at once, and a forked child repeats nothing.
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
unset PYTHONPATH PYTHONHOME PYTHONASYNCIODEBUG VIRTUAL_ENV

say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# quietly WHAT COMMAND...: run it with its output in a log, tell every 15 s that it goes on,
# and show the end of the log if it fails.
quietly() {
    local what=$1 log waited=0 pid
    log=$LOGS/$(printf '%s' "$what" | tr -c 'A-Za-z0-9.\n' '-').log
    shift
    say "$what"
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        waited=$((waited + 1))
        if ((waited % 75 == 0)); then
            say "  still at it, $((waited / 5)) s: $(tail -n 1 "$log" | tr '\r' '\n' | tail -n 1 | cut -c 1-70)"
        fi
    done
    if ! wait "$pid"; then
        tail -n 40 "$log" >&2
        die "$what failed; all of its output is in $log"
    fi
}

# apt_install PACKAGE...: install the Debian packages that are not there yet.
apt_install() {
    local missing=() package sudo=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            # What is needed may be there all the same, built by hand; if not, the step that
            # misses it fails and says so.
            say "neither root nor sudo: if this fails, have these installed: apt-get install ${missing[*]}"
            return 0
        fi
        sudo=(sudo -n)
    fi
    if [[ ! -e $LOGS/apt-updated ]]; then
        quietly "reading Debian's package lists" "${sudo[@]}" apt-get update
        touch "$LOGS/apt-updated"
    fi
    quietly "installing Debian packages: ${missing[*]}" \
        "${sudo[@]}" apt-get install -y --no-install-recommends "${missing[@]}"
}

# What a build needs. Elsewhere than on Debian setup.py says what is missing.
apt_build() {
    command -v apt-get >/dev/null || return 0
    apt_install python3 python3-venv python3-dev gcc libc6-dev pkg-config libuv1-dev
}

# What the tests of TLS make their certificates with, and talk to.
apt_openssl() {
    command -v openssl >/dev/null || ! command -v apt-get >/dev/null || apt_install openssl
}

# CPython's own tests are a package of their own on Debian.
apt_testsuite() {
    command -v apt-get >/dev/null || return 0
    local package
    package=libpython$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-testsuite
    apt_install "$package"
}

# The databases that tests/ecosystem starts by itself: their programs only. Debian would start a
# server of the whole machine with each, unless a policy says no.
apt_databases() (
    command -v apt-get >/dev/null && ((EUID == 0)) || exit 0
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    apt_install postgresql redis-server
)

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
has_testsuite() { "$1" -c 'import test.test_asyncio' 2>/dev/null; }

# pythons VERSION...: one interpreter for each version found, on PATH, in /usr/bin or from pyenv,
# preferring one that carries CPython's own tests. A shim is replaced by what it stands for.
pythons() {
    local wanted candidate real best
    for wanted in "$@"; do
        best=
        for candidate in "$(command -v "python$wanted" || true)" "$(command -v python3 || true)" \
            "/usr/bin/python$wanted" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$wanted".*/bin/python3; do
            [[ -x $candidate && $(version_of "$candidate") == "$wanted" ]] || continue
            real=$("$candidate" -c 'import sys; print(sys.executable)')
            if has_testsuite "$real"; then
                best=$real
                break
            fi
            best=${best:-$real}
        done
        [[ -z $best ]] || printf '%s\n' "$best"
    done
}

# first_python VERSION...: the first of those versions that is here, or nothing.
first_python() {
    local all
    all=$(pythons "$@")
    printf '%s\n' "${all%%$'\n'*}"
}

# tag_of PYTHON: what tells its builds from another's, for example cpython-311d.
tag_of() {
    "$1" -c 'import sysconfig; print("-".join(sysconfig.get_config_var("SOABI").split("-")[:2]))'
}

# venv PYTHON GROUP...: a virtual environment with those groups of pyproject.toml; sets VENV
# and TAG. Made anew when the interpreter, the groups or pyproject.toml change.
venv() {
    local python=$1 groups stamp
    shift
    groups=$*
    TAG=$(tag_of "$python")
    VENV=$BUILD/venv/$TAG-${groups// /-}
    stamp=$(printf '%s %s' "$python" "$groups" | cat - pyproject.toml | cksum)
    if [[ "$(cat "$VENV/stamp" 2>/dev/null)" != "$stamp" ]]; then
        rm -rf "$VENV"
        quietly "making a virtual environment for $TAG" "$python" -m venv "$VENV"
        quietly "installing Python packages for $TAG: $groups" \
            "$VENV/bin/python" scripts/requirements.py "$@"
        printf '%s' "$stamp" >"$VENV/stamp"
    fi
}

# build VARIANT: the package in that variant for VENV's interpreter; sets LIB, to be put on
# PYTHONPATH. Never built inside the tree, so variants and versions cannot mix.
build() {
    local base=$BUILD/$1/$TAG
    LIB=$base/lib
    # In CI each of the compilers that builds us may not warn.
    HOTLOOP_BUILD=$1 HOTLOOP_WERROR=${CI:+1} quietly "building hotloop ($1) for $TAG" \
        "$VENV/bin/python" setup.py -q build --build-base "$base/tmp" --build-lib "$LIB"
    [[ -e $LIB/hotloop/__init__.py ]] || die "the build made no package in $LIB"
}

# beside STATUSES COMMAND ONE OTHER: run `COMMAND ONE` and `COMMAND OTHER` at the same time. The
# first one's output is shown as it comes, the second one's when both are through; their exit
# codes go to the array STATUSES.
beside() {
    local -n both=$1
    local command=$2 log=$LOGS/beside-$$.log other
    (trap - ERR && $command "$4") >"$log" 2>&1 </dev/null &
    other=$!
    # Ctrl-C does not reach what runs in a script's background.
    trap 'kill "$other" 2>/dev/null; exit 130' INT TERM
    both=(0 0)
    (trap - ERR && $command "$3") || both[0]=$?
    say "waiting for the other one: $(tail -n 1 "$log" | cut -c 1-70)"
    wait "$other" || both[1]=$?
    trap - INT TERM
    cat "$log"
}
