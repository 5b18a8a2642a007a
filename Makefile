# Everything is built in one configuration, release; what one target built, the next one uses.
.PHONY: demo test test-neon fuzz compare-onednn flagship build lint clean dependencies

demo: build
	@tools/demo.sh

test: dependencies
	swift test -c release --disable-xctest --disable-testable-imports

# The C kernels on emulated 64-bit Arm processors.
test-neon: dependencies
	@tools/test-neon.sh

# Mutated files for every parser, ten minutes each: make fuzz SECONDS=60 TARGETS="gguf pickle"
SECONDS ?= 600
fuzz: build
	@tools/fuzz.sh $(SECONDS) $(TARGETS)

# The dense products beside those of oneDNN, where that is installed.
compare-onednn:
	@tools/compare-onednn.sh

flagship: build
	@tools/flagship.sh

build: dependencies
	swift build -c release --product lmtool

lint: dependencies
	swift format lint --strict -r Sources Tests Package.swift

clean:
	rm -rf .build out

dependencies:
	@tools/install-dependencies.sh
