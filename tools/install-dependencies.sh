#!/usr/bin/env bash
# Makes sure that what lmtool is built from is there: Swift 6.3, libzstd, libpcre2-8, pkg-config. Installs the libraries on
# Debian and its relatives when it may (root, or sudo without a password); otherwise says what to run, and fails.
set -euo pipefail

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

check_swift() {
  command -v swift >/dev/null ||
    fail "Swift is not on the PATH. Install Swift 6.3 or newer: https://www.swift.org/install"
  local version
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
  read -r major minor <<<"${version:-0 0}"
  ((major > 6 || (major == 6 && minor >= 3))) ||
    fail "Swift 6.3 or newer is needed, and 'swift --version' says ${major}.${minor}: https://www.swift.org/install"
}

have_libraries() {
  command -v pkg-config >/dev/null && pkg-config --exists libzstd libpcre2-8
}

install_debian() {
  local sudo=() packages=(libzstd-dev libpcre2-dev pkg-config)
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      sudo=(sudo -n)
    else
      fail "Some libraries are missing. Run this, then try again:" \
        "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
    fi
  fi
  echo "installing ${packages[*]}" >&2
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

check_swift
have_libraries && exit 0
if command -v apt-get >/dev/null; then
  install_debian
elif command -v brew >/dev/null; then
  fail "Some libraries are missing. Run this, then try again:" "  brew install zstd pcre2 pkg-config"
else
  fail "Some libraries are missing: install the development files of zstd and pcre2, and pkg-config, then try again."
fi
have_libraries || fail "pkg-config still does not find libzstd and libpcre2-8; see: pkg-config --print-errors --exists libzstd libpcre2-8"
