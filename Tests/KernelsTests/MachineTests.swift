import CKernels
import Kernels
import TestSupport
import Testing

struct MachineTests {
  @Test func everyByteIsRead() {
    var noise = Noise(3)
    for size in [0, 1, 63, 64, 255, 256, 257, 700, 1025] {
      var bytes = (0..<size + 1).map { _ in UInt8(truncatingIfNeeded: noise.next() >> 20) }
      for start in 0...1 {
        func read() -> UInt32 { bytes.withUnsafeBytes { lmk_read($0.baseAddress! + start, size) } }
        let whole = read()
        for index in bytes.indices {
          bytes[index] ^= 1
          #expect((read() != whole) == (start..<start + size).contains(index), "byte \(index) of \(size) from \(start)")
          bytes[index] ^= 1
        }
      }
    }
  }

  @Test(arguments: MachineCeilings.Arithmetic.allCases) func anInstructionHasOperations(kind: MachineCeilings.Arithmetic) {
    let peak = lmk_peak(kind.rawValue), operations = lmk_peak_operations(peak)
    #expect((kind.instruction != nil) == (operations > 0))
    #expect(operations.truncatingRemainder(dividingBy: 2) == 0, "multiplications and additions")
    lmk_peak_run(peak, 3)
  }

  @Test func theProbeMeasuresWhatTheMachineHas() {
    let ceilings = CeilingProbe(bytes: 1 << 20, repetitions: 2).measure()
    #expect(ceilings.threads == ThreadPool.shared.threads)
    #expect(ceilings.bandwidth > 0 && ceilings.bandwidth.isFinite)
    for kind in MachineCeilings.Arithmetic.allCases {
      #expect((ceilings.peaks[kind] != nil) == (kind.instruction != nil))
      if let peak = ceilings.peaks[kind] { #expect(peak > 0 && peak.isFinite) }
    }
  }

  @Test func aTinyProbeReadsAtLeastAPage() { #expect(CeilingProbe(bytes: 0, repetitions: 0).measure().bandwidth > 0) }
}
