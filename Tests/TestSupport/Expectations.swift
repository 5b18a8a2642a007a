import Tensors
import Testing

/// Expects that `body` fails with `code`, and returns the error.
@discardableResult
public func expectFailure(
  _ code: LMToolError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) -> LMToolError? {
  let error = #expect(throws: LMToolError.self, sourceLocation: sourceLocation, performing: body)
  #expect(error?.code == code, "\(error.map(String.init(describing:)) ?? "no error")", sourceLocation: sourceLocation)
  return error
}
