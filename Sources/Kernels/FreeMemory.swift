import CKernels

/// Gives memory that was freed back to the system, where the allocator keeps it: a model is loaded once, and what loading
/// needed besides is not needed again.
public func releaseFreeMemory() { lmk_release_free_memory() }
