#!/usr/bin/env bash
# Feeds every parser with mutations of the fixtures (libFuzzer with AddressSanitizer), SECONDS for each target:
#   tools/fuzz.sh [SECONDS] [TARGET ...]
# What is found lies in .build/fuzz/found/TARGET; copies of it belong into Tests/FuzzTests/Findings/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-600}
shift $(($# > 0 ? 1 : 0))
all=(safetensors gguf llama2c pytorch pickle numpy ggml quantized tokenizer-json sentencepiece tekken tiktoken character-map template
  adapter lmz certificate calibration)
targets=("${@:-${all[@]}}")
build=.build/fuzz
export LMTOOL_FUZZ=1 SWIFT_BACKTRACE=enable=no

rm -f "$build/release/libFuzzTargets.a" # an archive keeps the objects of files that are gone
swift build -c release --scratch-path "$build" --sanitize address -Xswiftc -sanitize=fuzzer --product FuzzTargets
libraries=$(pkg-config --libs libzstd libpcre2-8)
# shellcheck disable=SC2086 # the libraries are several words
swiftc -sanitize=fuzzer,address -use-ld=lld "$build/release/libFuzzTargets.a" $libraries -lm -lstdc++ -o "$build/lmfuzz"

seed() { # TARGET FILE ...: files that are small enough to be changed quickly
  local target=$1 file
  shift
  mkdir -p "$build/seeds/$target" "$build/corpus/$target" "$build/found/$target"
  for file in "$@"; do
    [ -f "$file" ] && [ "$(wc -c <"$file")" -le 1200000 ] && cp "$file" "$build/seeds/$target/$(tr / - <<<"${file#fixtures/}")"
  done
  for file in Tests/FuzzTests/Findings/"$target"/*; do [ ! -f "$file" ] || cp "$file" "$build/seeds/$target/"; done
}

# A config.json with its length before it, and the weights beside it.
quantized_seeds() {
  local folder size
  for folder in fixtures/foreign-quantized/*/; do
    size=$(wc -c <"$folder/config.json")
    { printf "\\x$(printf %02x $((size % 256)))\\x$(printf %02x $((size / 256)))"; cat "$folder/config.json" "$folder/model.safetensors"; } \
      >"$build/seeds/quantized/$(basename "$folder")"
  done
}

pickle_seeds() {
  local file
  for file in fixtures/pytorch/*.pt; do
    unzip -p "$file" '*/data.pkl' >"$build/seeds/pickle/$(basename "$file")" 2>/dev/null || rm -f "$build/seeds/pickle/$(basename "$file")"
  done
}

seed safetensors fixtures/numpy/*.safetensors fixtures/pytorch/*.safetensors fixtures/pytorch/*.json
seed gguf fixtures/gguf/*.gguf
seed llama2c fixtures/stories260K/*.bin
seed pytorch fixtures/pytorch/*.pt fixtures/pytorch/*.bin fixtures/meta/*/*.p*
seed pickle
seed numpy fixtures/numpy/*.np[yz]
seed ggml fixtures/ggml/*.bin
seed quantized
seed sentencepiece fixtures/tokenizers/*.model
for target in tokenizer-json tekken tiktoken character-map template adapter certificate; do seed $target; done # made by the fuzzer itself
quantized_seeds
command -v unzip >/dev/null && pickle_seeds
lmtool=.build/release/lmtool
if [ -x $lmtool ]; then
  rm -rf "$build/made" && mkdir -p "$build/made"
  $lmtool compress fixtures/stories260K --budget 300KB -o "$build/made/stories.lmz" --quiet || true
  $lmtool calibrate fixtures/stories260K -o "$build/made/calibration" --text fixtures/texts/tinystories.txt --quiet || true
fi
seed lmz "$build"/made/*.lmz
seed calibration "$build"/made/calibration

for target in "${targets[@]}"; do
  printf '\n== %s, %s seconds\n' "$target" "$seconds"
  LMTOOL_FUZZ_TARGET=$target LMTOOL_FUZZ_SEEDS=$build/seeds/$target ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 "$build/lmfuzz" \
    -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3072 -max_len=1200000 -print_final_stats=1 \
    -artifact_prefix="$build/found/$target/" "$build/corpus/$target" "$build/seeds/$target" </dev/null 2>&1 |
    grep -E 'ERROR|SUMMARY|stat::|Fatal|artifact|DONE|cov:.*DONE' || true
done
if find "$build/found" -type f | grep -q .; then
  echo "Found:" && find "$build/found" -type f
  exit 1
fi
echo "Nothing was found."
