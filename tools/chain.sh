# The chain from a model to a verified artifact, for demo.sh and flagship.sh, which source this file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lmtool=$(swift build -c release --show-bin-path)/lmtool
text=fixtures/texts/tinystories.txt
mkdir -p out

# Shows a command as one would type it, then runs it.
show() {
  local word
  printf '\n$ lmtool'
  for word; do
    if [[ $word == *[[:space:]?]* ]]; then printf ' "%s"' "$word"; else printf ' %s' "$word"; fi
  done
  printf '\n'
  "$lmtool" "$@"
}

# compress_and_verify SOURCE BUDGET ARTIFACT
compress_and_verify() {
  rm -f "$3"
  show compress "$1" --budget "$2" -o "$3"
  show verify "$3" --budget "$2"
}

# A number of a JSON report on standard input: number KEY
number() { sed -n "s/^ *\"$1\" : \([0-9.e+-]*\),*\$/\1/p" | head -n 1; }

# Bits per byte of a model on the first windows of a text: bits_per_byte MODEL TEXT WINDOWS
bits_per_byte() { "$lmtool" eval "$1" --text "$2" --windows "$3" --quiet --json | number bits_per_byte; }

# Bytes of a file, or of the weights of a model directory.
bytes_of() { if [ -d "$1" ]; then cat "$1"/*.safetensors; else cat "$1"; fi | wc -c; }

# summary SOURCE ARTIFACT WINDOWS LOG: sizes, rates and quality; LOG holds what `lmtool run` or `chat` wrote to standard error.
summary() {
  local parameters before after speed
  parameters=$("$lmtool" inspect "$2" --json | number parameters)
  before=$(bits_per_byte "$1" "$text" "$3")
  after=$(bits_per_byte "$2" "$text" "$3")
  speed=$(sed -n 's/.*generated [0-9]* tokens, \([0-9.]*\) tokens\/s.*/\1/p' "$4")
  awk -v original="$(bytes_of "$1")" -v artifact="$(bytes_of "$2")" -v parameters="$parameters" \
    -v before="$before" -v after="$after" -v speed="$speed" 'BEGIN {
    printf "\n%-18s %12s %12s\n", "", "original", "artifact"
    printf "%-18s %12d %12d\n", "bytes", original, artifact
    printf "%-18s %12.2f %12.2f\n", "bits per weight", 8 * original / parameters, 8 * artifact / parameters
    printf "%-18s %12.4f %12.4f\n", "bits per byte", before, after
    printf "%-18s %12s %12.1f\n", "tokens per second", "", speed
  }'
}
