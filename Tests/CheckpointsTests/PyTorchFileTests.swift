import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// PyTorch files as torch.save writes them (fixtures/pytorch/make_pytorch.py), and what they must equal.
struct PyTorchFileTests {
  private func path(_ name: String) -> String { Fixtures.path("pytorch/" + name) }

  private func expectEqual(
    _ tensors: OrderedDictionary<String, any TensorReader>, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let expected = try SafetensorsFile(path: path(name)).tensors
    #expect(Set(tensors.keys) == Set(expected.keys), sourceLocation: sourceLocation)
    for (name, tensor) in tensors {
      let other = try #require(expected[name], sourceLocation: sourceLocation)
      #expect(tensor.shape == other.shape, "\(name)", sourceLocation: sourceLocation)
      #expect(tensor.storage == other.storage, "\(name)", sourceLocation: sourceLocation)
      #expect(try bits(tensor.readAll()) == bits(other.readAll()), "\(name)", sourceLocation: sourceLocation)
    }
  }

  @Test func readsEveryTypeAndEveryView() throws {
    let file = try PyTorchFile(path: path("variants.pt"))
    #expect(file.tensors.count == 33)
    #expect(file.leftOut == [])
    try expectEqual(file.tensors, "variants.safetensors")
  }

  @Test func cutsAnyRangeOutOfViews() throws {
    for (name, tensor) in try PyTorchFile(path: path("variants.pt")).tensors where tensor.count > 3 {
      let whole = try tensor.readAll()
      for range in [0..<1, 1..<3, 2..<tensor.count, tensor.count - 1..<tensor.count, 3..<3] {
        #expect(try bits(read(tensor, range)) == bits(Array(whole[range])), "\(name) \(range)")
      }
      tensor.discard()
      #expect(try bits(tensor.readAll()) == bits(whole))
    }
  }

  @Test(arguments: 2...5) func readsEveryProtocol(number: Int) throws {
    try expectEqual(try PyTorchFile(path: path("protocol\(number).pt")).tensors, "protocols.safetensors")
  }

  @Test func readsShards() throws {
    for name in ["/pytorch_model.bin.index.json", ""] {
      let folder = TestFolder()
      for file in ["shard-00001-of-00002.bin", "shard-00002-of-00002.bin", "pytorch_model.bin.index.json"] {
        try folder.write(file, try contents(path(file)))
      }
      let checkpoint = try openCheckpoint(path: folder.path + name)
      #expect(checkpoint.files.count == 2)
      try expectEqual(checkpoint.readers, "protocols.safetensors")
    }
  }

  @Test func readsTheOtherOrderOfBytes() throws {
    try expectEqual(try PyTorchFile(path: path("big-endian.pt")).tensors, "big-endian.safetensors")
  }

  /// TORCH-6 to TORCH-9.
  @Test func findsTheStateDictOfATrainingCheckpoint() throws {
    let file = try PyTorchFile(path: path("training.pt"))
    try expectEqual(file.tensors, "training.safetensors")
    for part in [
      "epoch: 3", "args: argparse.Namespace", "optimizer: a dict of 2", "rng: a tensor of the shape [4]",
      "model.module._orig_mod.table: a tensor that repeats its elements, of the shape [1000]",
      "model.module._orig_mod.complex: a tensor of a torch.ComplexFloatStorage", "big: a number of more than 64 bits",
    ] {
      #expect(file.leftOut.contains(part), "\(part) is not among \(file.leftOut)")
    }
  }

  @Test func readsSettingsBesideTheStateDict() throws {
    let settings = try PyTorchFile(path: path("training.pt")).settings
    #expect(settings["epoch"] == .int(3))
    #expect(settings["small"] == .int(-(1 << 40)))
    #expect(settings["model_args"]?["dim"] == .int(3))
    #expect(settings["model_args"]?["deep"]?["list"] == .array([.int(1), .double(2.5), .null, .bool(true), .string("text")]))
    #expect(settings["size"] == .array([.int(2), .int(3)]))
    #expect(settings["args"] == nil)
  }

  @Test(arguments: [
    ("legacy.pt", "TORCH-2", "before version 1.6"), ("script.pt", "TORCH-2", "TorchScript"),
    ("object.pt", "TORCH-7", "torch.nn.modules.linear.Linear"), ("attack.pt", "PICKLE-7", "posix.system"),
  ])
  func refusesWhatIsNoStateDict(name: String, rule: String, what: String) {
    let error = expectRefusal(rule) { _ = try PyTorchFile(path: path(name)) }
    #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    #expect(error?.file == path(name))
  }
}
