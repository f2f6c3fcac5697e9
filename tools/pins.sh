#!/bin/sh
# Renew constraints.txt from pyproject.toml: every version, with the hashes of its files for all
# platforms and for Python 3.11 and newer. Releases younger than a week are left alone.
# Needs uv (from the index that this machine is set up for); nothing else here does.
set -eu
cd "$(dirname "$0")/.."

if ! command -v uv >/dev/null 2>&1; then
  echo "make pins: no uv on the PATH; 'pip install uv' in an environment of its own brings it" >&2
  exit 1
fi

trap 'rm -f constraints.new' EXIT
{
  cat <<'TEXT'
# Every version that is installed, with the hashes of its files; 'make pins' renews this file.
# It names no index: pip asks the one that your machine is set up for.
TEXT
  uv pip compile --quiet --no-progress --universal --python-version 3.11 --fork-strategy fewest \
    --generate-hashes --no-header --annotation-style line --exclude-newer "7 days" "$@" \
    --extra dev --extra docs --extra live pyproject.toml
} >constraints.new

# An address would send everybody to our index, and a path to nobody's.
if grep -nE '://|^--(extra-)?(index|find)|^-[ief] ' constraints.new; then
  echo "make pins: the lines above name an address or a path; constraints.txt is unchanged" >&2
  exit 1
fi
mv constraints.new constraints.txt
