#!/usr/bin/env bash
# The check of check.py on a machine that has torch and transformers, and no network: what else is needed and is not there comes from the
# wheels that fetch.sh has put beside this file. Words go to check.py.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT

for wheel in "$here"/wheels/*.whl; do
    [ -e "$wheel" ] || continue
    # A wheel is an archive: no pip is needed. What the machine has stays as it is.
    "$python" - "$wheel" "$site" <<'PYTHON'
import importlib.metadata, sys, zipfile
wheel, site = sys.argv[1:]
name = wheel.rsplit("/", 1)[-1].split("-")[0]
try:
    importlib.metadata.version(name)
except importlib.metadata.PackageNotFoundError:
    zipfile.ZipFile(wheel).extractall(site)
    print(f"{name}: from its wheel", file=sys.stderr)
PYTHON
done
export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}" PYTHONWARNINGS=ignore TOKENIZERS_PARALLELISM=false
"$python" "$here/check.py" "$@"
