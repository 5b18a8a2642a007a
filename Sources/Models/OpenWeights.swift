import Checkpoints
import OrderedCollections
import Tensors

extension ModelSource {
  /// Opens PyTorch files: with Hugging Face's names and `config.json` beside them, or with Meta's names and `params.json` beside them or
  /// `model_args` in them.
  public static func open(pytorch path: String) throws(LMToolError) -> ModelSource {
    let folder = isFolder(path) ? path : parent(of: path)
    if !isFolder(path), hasConsolidatedName(path), exists(folder + "/" + MetaCheckpoint.settingsName) {
      return try open(meta: path)
    }
    let checkpoint = try PyTorchCheckpoint(path: path)
    var source: ModelSource
    if MetaNames.areThose(of: checkpoint.readers) {
      let settings = try metaSettings(folder, checkpoint, path)
      source = try open(
        metaNamed: checkpoint, settings: settings.json, settingsPath: settings.path, path: path, format: "PyTorch")
    } else {
      source = try open(weights: checkpoint, path: path, format: "PyTorch")
    }
    source.unused += checkpoint.leftOut
    return source
  }

  /// Opens NumPy arrays, with `config.json` beside them.
  public static func open(numpy path: String) throws(LMToolError) -> ModelSource {
    try open(weights: try NumPyCheckpoint(path: path), path: path, format: "NumPy")
  }

  /// Opens a folder with `params.json` and consolidated files, or the folder of one of these files.
  public static func open(meta path: String) throws(LMToolError) -> ModelSource {
    let checkpoint = try MetaCheckpoint(path: path)
    var source = try open(
      metaNamed: checkpoint, settings: checkpoint.settings, settingsPath: checkpoint.settingsPath, path: path,
      format: "Meta, \(checkpoint.files.count) files")
    source.unused += checkpoint.leftOut
    return source
  }

  private static func hasConsolidatedName(_ path: String) -> Bool {
    (path.split(separator: "/").last ?? "").hasPrefix("consolidated.")
  }

  private static func metaSettings(
    _ folder: String, _ checkpoint: PyTorchCheckpoint, _ path: String
  ) throws(LMToolError) -> (json: JSONValue, path: String) {
    if let arguments = checkpoint.settings["model_args"] { return (arguments, path) }
    let file = folder + "/" + MetaCheckpoint.settingsName
    guard exists(file) else {
      throw LMToolError(
        .missingInput, "the weights have Meta's names, but there is no params.json beside them; it says what the model is",
        file: file)
    }
    return (try decodeJSON(JSONValue.self, file: try MappedFile(path: file)), file)
  }

  private static func open(
    metaNamed checkpoint: any Checkpoint, settings: JSONValue, settingsPath: String, path: String, format: String
  ) throws(LMToolError) -> ModelSource {
    let configuration = MetaConfiguration(settings: settings, file: settingsPath, tensors: checkpoint.readers)
    let config = try configuration.json()
    let spec = try Architectures.spec(of: Configuration(config, file: settingsPath))
    let (tensors, unused) = try MetaNames.cut(checkpoint.readers, spec, path: path)
    var source = try ModelSource(
      path: path, format: format, spec: spec, config: config, available: tensors, unused: unused, files: checkpoint.files)
    source.addTexts(beside: path)
    return source
  }
}
