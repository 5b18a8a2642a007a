#!/usr/bin/env bash
# make test-neon: every C kernel against its scalar reference, bit by bit, on 64-bit Arm processors with and without products
# of bytes; emulated unless this is one. The references must compute the same there as here. Installs the cross compiler's
# libraries and the emulator on Debian and its relatives when it may (root, or sudo without a password); without them the
# last line says that only this processor was checked, and why.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)
# As in Package.swift.
flags=(-O3 -ffp-contract=off -Wall -Wextra -Werror -fno-math-errno -ISources/CKernels/include)

have_packages() {
  command -v qemu-aarch64-static >/dev/null && command -v aarch64-linux-gnu-gcc >/dev/null && [ -d /usr/aarch64-linux-gnu/include ]
}

# Why there is nothing to emulate with; empty when there is.
obstacle() {
  local sudo=() by_hand="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
  have_packages && return
  if ! command -v apt-get >/dev/null; then
    echo "a cross compiler for aarch64-linux-gnu with its C library, and qemu-aarch64-static, are not installed"
    return
  fi
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      echo "some packages are missing; as root: $by_hand"
      return
    fi
    sudo=(sudo -n)
  fi
  echo "installing ${packages[*]}" >&2
  { "${sudo[@]}" apt-get update -qq &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >&2 &&
    have_packages || echo "some packages could not be installed: $by_hand"
}

clang=$(dirname "$(command -v swift)")/clang
[ -x "$clang" ] || clang=clang
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check DESCRIPTION COMMAND...: runs it, and remembers when a kernel differs or the references compute something else.
check() {
  local description=$1 log=$work/log
  shift
  printf '\n%s: ' "$description"
  "$@" | tee "$log" || failed=1
  digests <"$log" >"$work/there"
  cmp -s "$work/here" "$work/there" || {
    echo "the references compute something else than on this processor"
    failed=1
  }
}

digests() { grep -o '^.* digest [0-9a-f]*'; }

"$clang" "${flags[@]}" Sources/CKernels/*.c Tests/KernelChecks/*.c -o "$work/native" -lm -lpthread
"$work/native" >"$work/log" || failed=1
digests <"$work/log" >"$work/here"
printf 'this processor: %s\n' "$(cat "$work/log")"

emulate() {
  "$clang" --target=aarch64-linux-gnu -static "${flags[@]}" Sources/CKernels/*.c Tests/KernelChecks/*.c -o "$work/arm" -lm -lpthread
  for processor in cortex-a53 cortex-a76 max; do
    check "$processor" qemu-aarch64-static -cpu "$processor" "$work/arm"
  done
  for isa in neon dotprod i8mm; do
    check "max with LMTOOL_ISA=$isa" env LMTOOL_ISA="$isa" qemu-aarch64-static -cpu max "$work/arm"
  done
}

checked="on this processor"
if [ "$(uname -m)" != aarch64 ] && [ "$(uname -m)" != arm64 ]; then
  reason=$(obstacle)
  if [ -z "$reason" ]; then
    emulate
    checked="on this processor and on emulated Arm processors"
  else
    checked="on this processor alone: emulated Arm processors are SKIPPED, as $reason"
  fi
fi
if [ "$failed" = 0 ]; then
  printf '\nKernels equal their references %s.\n' "$checked"
else
  printf '\nKernels DIFFER from their references; checked %s.\n' "$checked"
fi
exit "$failed"
