#!/bin/sh
# Make .venv and install into it what constraints.txt pins, then Wattbay itself, editable.
# Takes $PYTHON, or else the first Python 3.11 or newer that it finds. Does nothing when neither
# pyproject.toml nor constraints.txt changed since the last time.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv/.wattbay-setup

complain() {
  echo "make setup: $*" >&2
  exit 1
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  for candidate in python3 python3.11 python3.12 python3.13 python3.14 python; do
    if command -v "$candidate" >/dev/null 2>&1 && is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
}

version_of() {
  "$1" -c 'import sys; print(sys.version)' 2>/dev/null
}

# Tell whether .venv works, and is of the Python that was named, if one was.
is_right() {
  is_new_enough .venv/bin/python &&
    { [ -z "${PYTHON:-}" ] || [ "$(version_of .venv/bin/python)" = "$(version_of "$PYTHON")" ]; }
}

# What the stamp says: the two files, as they were installed.
wanted=$(cat pyproject.toml constraints.txt | cksum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && is_right; then
  exit 0
fi

if [ -n "${PYTHON:-}" ]; then
  command -v "$PYTHON" >/dev/null 2>&1 || complain "PYTHON=$PYTHON is not a program"
  is_new_enough "$PYTHON" ||
    complain "PYTHON=$PYTHON is $("$PYTHON" --version 2>&1); Wattbay needs Python 3.11 or newer"
  python=$PYTHON
else
  python=$(find_python)
  [ -n "$python" ] ||
    complain "found no Python 3.11 or newer (python3 is $(python3 --version 2>/dev/null ||
      echo missing)); install one, or name it: make setup PYTHON=/path/to/python3.12"
fi
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  complain "$python has no venv module; on Debian and Ubuntu the package python3-venv brings it"

if ! is_right; then
  echo "make setup: a new .venv from $("$python" --version 2>&1) ($python)"
  "$python" -m venv --clear .venv || complain "the environment could not be made; see above"
fi

pip() {
  .venv/bin/python -m pip --disable-pip-version-check --quiet "$@" ||
    complain "pip could not install; see above. Is the package index within reach?"
}

echo "make setup: installing what constraints.txt pins, hashes checked"
# The file is complete; left to resolve, old versions of pip take what was released since.
pip install --no-deps --require-hashes -r constraints.txt
# An editable install cannot be hash-checked itself; its build tools were, one line above.
pip install --no-deps --no-build-isolation -e .
echo "$wanted" >"$stamp"
echo "make setup: done; .venv/bin/wattbay is ready"
