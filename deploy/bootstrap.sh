#!/usr/bin/env bash
# Makes .venv hold the locked requirements and this application, on a machine with little more than Python.
#
#     deploy/bootstrap.sh
#
# Returns at once when nothing has changed since the last time. When it is interrupted, the next run does it again.
# PYTHON=/path/to/python3 chooses the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly venv=.venv
readonly stamp=$venv/bootstrapped
readonly inputs=(pyproject.toml requirements.lock requirements-dev.lock deploy/bootstrap.sh)

say() { echo "bootstrap: $*" >&2; }
die() { say "$@"; exit 1; }

fingerprint() { cat "${inputs[@]}" | sha256sum | cut -d ' ' -f 1; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  die "no Python 3.11 or newer was found. Install one, or name it: PYTHON=/path/to/python3 $0"
}

apt_install() {
  command -v apt-get >/dev/null || die "$1 is missing and there is no apt-get. Install it by hand."
  [[ $(id -u) == 0 ]] || die "$1 is missing. Run: sudo apt-get update && sudo apt-get install -y --no-install-recommends $1"
  say "installing $1 with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  # A fresh container has no package lists yet.
  apt-get -qq install -y --no-install-recommends "$1" >/dev/null 2>&1 \
    || { apt-get -qq update && apt-get -qq install -y --no-install-recommends "$1" >/dev/null; }
}

# Debian keeps ensurepip, without which a venv has no pip, in a package of its own.
ensure_venv_module() {
  "$1" -c 'import ensurepip, venv' 2>/dev/null && return
  apt_install "python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  "$1" -c 'import ensurepip, venv' || die "$1 still has no ensurepip after installing its venv package."
}

make_venv() {
  local python
  python=$(find_python)
  ensure_venv_module "$python"
  say "making $venv with $("$python" --version) ($python)"
  "$python" -m venv --clear "$venv"
}

install_requirements() {
  say "installing the locked requirements"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
  say "installing this application, editable"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
}

wanted=$(fingerprint)
[[ -f $stamp && $(<"$stamp") == "$wanted" ]] && exit 0

rm -f "$stamp"
"$venv/bin/python" -m pip --version >/dev/null 2>&1 && is_new_enough "$venv/bin/python" || make_venv
install_requirements
# Last of all and by renaming, so that a stamp always stands for a finished job.
echo "$wanted" >"$stamp.new"
mv "$stamp.new" "$stamp"
say "$venv is ready"
