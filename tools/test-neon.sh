#!/usr/bin/env bash
# make test-neon: every C kernel against its scalar reference, bit by bit, on 64-bit Arm processors with and without products
# of bytes; emulated unless this is one. The references must compute the same there as here. Installs the cross compiler's
# libraries and the emulator on Debian and its relatives when it may (root, or sudo without a password).
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)
# As in Package.swift.
flags=(-O3 -ffp-contract=off -Wall -Wextra -Werror -fno-math-errno -ISources/CKernels/include)

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

have_packages() {
  command -v qemu-aarch64-static >/dev/null && command -v aarch64-linux-gnu-gcc >/dev/null && [ -d /usr/aarch64-linux-gnu/include ]
}

install_packages() {
  command -v apt-get >/dev/null || fail "A cross compiler for aarch64-linux-gnu with its C library, and qemu-aarch64-static, are needed."
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      sudo=(sudo -n)
    else
      fail "Some packages are missing. Run this, then try again:" \
        "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
    fi
  fi
  echo "installing ${packages[*]}" >&2
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
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

if [ "$(uname -m)" != aarch64 ] && [ "$(uname -m)" != arm64 ]; then
  have_packages || install_packages
  "$clang" --target=aarch64-linux-gnu -static "${flags[@]}" Sources/CKernels/*.c Tests/KernelChecks/*.c -o "$work/arm" -lm -lpthread
  for processor in cortex-a53 cortex-a76 max; do
    check "$processor" qemu-aarch64-static -cpu "$processor" "$work/arm"
  done
  for isa in neon dotprod i8mm; do
    check "max with LMTOOL_ISA=$isa" env LMTOOL_ISA="$isa" qemu-aarch64-static -cpu max "$work/arm"
  done
fi
exit "$failed"
