#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// e to the power of x.
func naturalExponential(_ x: Double) -> Double { exp(x) }

/// The natural logarithm of x.
func naturalLogarithm(_ x: Double) -> Double { log(x) }

/// The natural logarithm of 2.
let ln2 = 0.693147180559945309
