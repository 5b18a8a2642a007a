import Quantization
import Tensors
import Testing

struct QuantizationConfigTests {
  private func config(_ value: JSONValue) -> JSONValue { .object(["quantization_config": value]) }

  private func refusal(_ members: [String: JSONValue]) -> String? {
    rule { () throws(LMToolError) in _ = try QuantizationConfig(config: config(.object(members))) }
  }

  /// Rule Q-8.
  @Test func aConfigIsWrittenAndRead() throws {
    let schemes = ["a.weight": scheme("int4-g32"), "b.weight": scheme("int8-row-min")]
    let written = QuantizationConfig(schemes: schemes)
    #expect(try QuantizationConfig(config: config(written.json)) == written)
    #expect(written.json["schemes"]?["b.weight"]?.string == "int8-row-min")
  }

  @Test func aFloatModelHasNone() throws {
    #expect(try QuantizationConfig(config: .object(["model_type": .string("llama")])) == nil)
  }

  /// Rule Q-9.
  @Test func otherMethodsFormatsAndSchemesAreRefused() {
    #expect(refusal(["quant_method": .string("gptq"), "bits": .int(4)]) == "Q-9")
    #expect(refusal([:]) == "Q-9")
    #expect(refusal(["quant_method": .string("lmtool"), "format": .int(2)]) == "Q-9")
    #expect(refusal(["quant_method": .string("lmtool")]) == "Q-9")
    let good: [String: JSONValue] = ["quant_method": .string("lmtool"), "format": .int(1), "future": .null]
    #expect(refusal(good) == nil)
    #expect(refusal(good.merging(["schemes": .object(["a": .string("int2-g32")])]) { $1 }) == "Q-9")
    #expect(refusal(good.merging(["schemes": .object(["a": .int(4)])]) { $1 }) == "Q-9")
  }

  /// Rule Q-7.
  @Test func theShapeFollowsFromTheShapeOfTheCodes() throws {
    #expect(try QuantizationConfig.shape(ofCodes: [3, 16], scheme: scheme("int4-g32"), name: "w") == [3, 32])
    #expect(try QuantizationConfig.shape(ofCodes: [3, 16], scheme: scheme("int8-g32"), name: "w") == [3, 16])
    for shape in [[], [3], [3, 4, 5], [0, 4], [4, 0], [1, Int.max]] {
      #expect(
        rule { () throws(LMToolError) in
          _ = try QuantizationConfig.shape(ofCodes: shape, scheme: scheme("int4-g32"), name: "w")
        } == "Q-7")
    }
  }
}
