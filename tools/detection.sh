#!/usr/bin/env bash
# Of 1,000 flipped bits of a file, and of 200 tensors with 3 % of noise and hashes that hold, how many does verify notice? Takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
LMTOOL_DETECTION=full swift test -c release --disable-xctest --disable-testable-imports --filter DetectionTests 2>&1 |
  grep -E '(found|noticed)|Test run'
