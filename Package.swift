// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift room: warnings are errors, and the language features that keep imports honest.
let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// The hot loops are optimised in debug builds too; contraction is off because bytes and logits depend on it.
let kernelFlags: [CSetting] = [
  .unsafeFlags(["-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-fno-math-errno"])
]

let libm: [LinkerSetting] = [.linkedLibrary("m", .when(platforms: [.linux]))]

/// A room of the house: a Swift target that may import exactly `rooms`.
func room(_ name: String, imports rooms: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: rooms, swiftSettings: strict, linkerSettings: libm)
}

/// The tests of one room, which may use what all tests share; `others` are files that are no code.
func tests(_ name: String, imports rooms: [Target.Dependency], besides others: [String] = []) -> Target {
  .testTarget(name: name, dependencies: rooms + ["TestSupport"], exclude: others, swiftSettings: strict)
}

let collections = Target.Dependency.product(name: "OrderedCollections", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "lmtool",
  platforms: [.macOS(.v15)],
  products: [.executable(name: "lmtool", targets: ["lmtool"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
  ],
  targets: [
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"]), .brew(["pcre2"])]),
    .target(name: "CKernels", cSettings: kernelFlags, linkerSettings: libm),
    room("Kernels", imports: ["CKernels"]),
    room("Tensors", imports: ["Kernels", collections, crypto]),
    room("Checkpoints", imports: ["Tensors", "Kernels", collections]),
    room("Quantization", imports: ["Tensors", "Kernels"]),
    room("Tokenizers", imports: ["Tensors", "CPCRE2", collections, heap]),
    room("Models", imports: ["Checkpoints", "Quantization", "Tokenizers", "Tensors", "Kernels", collections]),
    room(
      "Artifacts",
      imports: ["CZstd", "Models", "Checkpoints", "Quantization", "Tokenizers", "Tensors", "Kernels", collections, crypto]),
    room("Inference", imports: ["Artifacts", "Models", "Quantization", "Tokenizers", "Tensors", "Kernels", collections]),
    room("Training", imports: ["Inference", "Models", "Quantization", "Tensors", "Kernels"]),
    room(
      "Compression",
      imports: [
        "Training", "Inference", "Artifacts", "Models", "Checkpoints", "Quantization", "Tokenizers", "Tensors", "Kernels",
        collections,
      ]),
    .executableTarget(
      name: "lmtool",
      dependencies: [
        "Compression", "Training", "Inference", "Artifacts", "Models", "Checkpoints", "Quantization", "Tokenizers", "Tensors",
        "Kernels",
        arguments, collections,
      ],
      swiftSettings: strict, linkerSettings: libm),
    .target(
      name: "TestSupport", dependencies: ["Checkpoints", "Quantization", "Tensors", "Kernels", collections],
      path: "Tests/TestSupport",
      swiftSettings: strict),
    .target(
      name: "FuzzTargets",
      dependencies: ["Compression", "Artifacts", "Models", "Checkpoints", "Tokenizers", "Tensors", "TestSupport", collections],
      path: "Tests/FuzzTargets", swiftSettings: strict),
    tests("FuzzTests", imports: ["FuzzTargets", "Tensors"], besides: ["Findings"]),
    tests("TensorsTests", imports: ["Tensors"]),
    tests("KernelsTests", imports: ["Kernels", "CKernels"]),
    tests("CheckpointsTests", imports: ["Checkpoints", "Tensors", collections]),
    tests("QuantizationTests", imports: ["Quantization", "Tensors", "Kernels"]),
    tests("TokenizersTests", imports: ["Tokenizers", "Tensors"]),
    tests("ModelsTests", imports: ["Models", "Checkpoints", "Quantization", "Tokenizers", "Tensors", collections]),
    tests("ArtifactsTests", imports: ["Artifacts", "Models", "Quantization", "Tokenizers", "Tensors", "Kernels", "CZstd"]),
    tests(
      "InferenceTests",
      imports: ["Inference", "Checkpoints", "Models", "Quantization", "Tokenizers", "Tensors", "Kernels", collections]),
    tests("TrainingTests", imports: ["Training", "Artifacts", "Checkpoints", "Models", "Tensors", "Kernels", collections]),
    tests(
      "CompressionTests",
      imports: [
        "Compression", "Training", "Inference", "Artifacts", "Models", "Checkpoints", "Quantization", "Tokenizers", "Tensors",
        "Kernels", collections,
      ]),
    tests(
      "CommandTests", imports: ["lmtool", "Compression", "Checkpoints", "Tensors", "Kernels", collections],
      besides: ["Snapshots"]),
  ]
)

// What `make fuzz` links with libFuzzer: with all it needs, in one archive.
if Context.environment["LMTOOL_FUZZ"] != nil {
  package.products.append(.library(name: "FuzzTargets", type: .static, targets: ["FuzzTargets"]))
}
