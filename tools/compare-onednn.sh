#!/usr/bin/env bash
# make compare-onednn: the dense products of training and calibration (gemm.h) beside those of oneDNN 2 or 3, on one core.
set -euo pipefail
cd "$(dirname "$0")/.."

clang=$(dirname "$(command -v swift)")/clang
[ -x "$clang" ] || clang=clang
"$clang" -E -x c - <<<'#include <oneapi/dnnl/dnnl.h>' >/dev/null 2>&1 || {
  echo "oneDNN is needed with its headers: libdnnl-dev on Debian and its relatives, or https://github.com/uxlfoundation/oneDNN" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# As in Package.swift.
"$clang" -O3 -ffp-contract=off -Wall -Wextra -Werror -fno-math-errno -ISources/CKernels/include \
  Sources/CKernels/{gemm,gemm_reference,half,isa}.c tools/compare-onednn.c -o "$work/compare" -ldnnl -lm
OMP_NUM_THREADS=1 "$work/compare"
