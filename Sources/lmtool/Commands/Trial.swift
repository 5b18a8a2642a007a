import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors
import Foundation

extension LMTool {
  struct Trial: ParsableCommand {
    @Argument var source: String
    @Option var text: String
    @Option var test: String
    @Option var tokens: Int = 20480
    @Option var level: Double?
    @Option var budget: Double?
    @Option var damping: Double = 0.03
    @Option var drift: Double = 0.5
    func run() throws {
      let start = Date()
      let source = try ModelSource.open(source, tokenizer: nil)
      try rateTrial(source, text: [UInt8](try Data(contentsOf: URL(fileURLWithPath: text))), test: [UInt8](try Data(contentsOf: URL(fileURLWithPath: test))), tokens: tokens, level: level, budget: budget, damping: damping, drift: drift) { FileHandle.standardOutput.write(Data((String(format: "%6.1f ", Date().timeIntervalSince(start)) + $0 + "\n").utf8))  }
    }
  }
}
