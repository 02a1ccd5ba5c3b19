#!/usr/bin/env bash
# Collect what run.sh may find missing, as wheels for Python 3.12 on x86-64, in wheels/ (ignored by git), where there is a network.
# Versions are those of envs/jobs-cpu.lock. pyarrow and scipy (85 MB) are not among them: a machine with a scientific Python has them; else name them.
#   bash tests/gpu/fetch.sh [pyarrow scipy]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lock=$here/../../envs/jobs-cpu.lock
python=${PYTHON:-python3}
target=$here/wheels
rm -rf "$target"
mkdir -p "$target"
pinned() { sed -nE "s/^($1==[^ ]+).*/\1/p" "$lock"; }

for name in hjson msgpack py-cpuinfo pydantic pydantic-core annotated-types typing-inspection typing-extensions \
    math-verify latex2sympy2-extended antlr4-python3-runtime jaxtyping wadler-lindig einops psutil ninja "$@"; do
    "$python" -m pip download --quiet --no-deps --only-binary :all: --python-version 3.12 --implementation cp \
        --abi cp312 --abi abi3 --abi none --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
        --platform any --dest "$target" "$(pinned "$name")"
done
# Only its source is published; without operators it is a wheel for every machine.
DS_BUILD_OPS=0 "$python" -m pip wheel --quiet --no-deps --wheel-dir "$target" "$(pinned deepspeed)"

kilobytes=$(du -sk "$target" | cut -f1)
ls -l "$target"
echo "$((kilobytes / 1024)) MiB in $target"
[ "$kilobytes" -le $((60 * 1024)) ] || { echo "more than 60 MiB" >&2; exit 1; }
