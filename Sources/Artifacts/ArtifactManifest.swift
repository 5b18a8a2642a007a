import Quantization
import Tensors

/// What an `.lmz` file says of itself (`formats/lmz.md`, "Manifest").
public struct ArtifactManifest: Codable, Sendable, Equatable {
  /// The version of the manifest, 1.
  public var format = 1
  /// The version of the lmtool that wrote the file.
  public var lmtool: String
  /// The model's `config.json`.
  public var config: JSONValue
  /// The model's `generation_config.json`.
  public var generation: JSONValue?
  /// The blob that holds the tokenizer.
  public var tokenizer: String?
  /// The blob that holds the chat template.
  public var chatTemplate: String?
  /// The blob that holds tables, codes and lengths of the rate matrices.
  public var rate: String?
  /// The blob that holds the certificate.
  public var certificate: String?
  /// The tensors, in the order of their streams in the file.
  public var tensors: [TensorEntry]
  /// The blobs, in the order of their streams in the file.
  public var blobs: [BlobEntry]
  /// SHA-256 of all frames but the manifest's.
  public var payloadHash: String
  /// Where the model comes from and what was done to it.
  public var provenance: Provenance
  /// What the model said when it was exported.
  public var transcript: Transcript?
  /// Who signed the file.
  public var signatures: [Signature]?

  /// Where a run of elements lies in the file.
  public struct Stream: Codable, Sendable, Equatable {
    /// The first byte of the first frame.
    public var offset: Int
    /// Bytes of the elements.
    public var raw: Int
    /// Packed length of every frame.
    public var frames: [Int]

    /// Bytes of all frames.
    public var packed: Int { frames.reduce(0, +) }
  }

  /// One tensor.
  public struct TensorEntry: Codable, Sendable, Equatable {
    /// The name, unique in the file.
    public var name: String
    /// Dimensions, outermost first.
    public var shape: [Int]
    /// A dtype such as "F16", a scheme such as "int4-g32", or "rate".
    public var type: String
    /// SHA-256 of the raw bytes of all streams.
    public var sha256: String
    /// Values; codes, scales and minimums; or lanes.
    public var streams: [Stream]
  }

  /// One file that is carried along.
  public struct BlobEntry: Codable, Sendable, Equatable {
    /// The name, unique among the blobs.
    public var name: String
    /// SHA-256 of the raw bytes.
    public var sha256: String
    /// Where it lies.
    public var stream: Stream
  }

  /// Where a model comes from and what was done to it.
  public struct Provenance: Codable, Sendable, Equatable {
    /// The files that were read.
    public var sources: [Source]
    /// Every option of the commands that made the file.
    public var recipe: JSONValue

    /// One file that was read.
    public struct Source: Codable, Sendable, Equatable {
      /// The file's name, without folders.
      public var name: String
      /// Its size in bytes.
      public var size: Int
      /// Its SHA-256.
      public var sha256: String

      /// Makes a source.
      public init(name: String, size: Int, sha256: String) {
        self.name = name
        self.size = size
        self.sha256 = sha256
      }
    }

    /// Makes a provenance.
    public init(sources: [Source], recipe: JSONValue) {
      self.sources = sources
      self.recipe = recipe
    }
  }

  /// A greedy generation, to be reproduced by `verify`.
  public struct Transcript: Codable, Sendable, Equatable {
    /// Token ids of the prompt.
    public var prompt: [Int]
    /// Token ids that the model went on with.
    public var generated: [Int]
    /// The generated ids as text.
    public var text: String?

    /// Makes a transcript.
    public init(prompt: [Int], generated: [Int], text: String? = nil) {
      self.prompt = prompt
      self.generated = generated
      self.text = text
    }
  }

  private enum CodingKeys: String, CodingKey {
    case format, lmtool, config, generation, tokenizer, rate, certificate, tensors, blobs, provenance, transcript, signatures
    case chatTemplate = "chat_template"
    case payloadHash = "payload_sha256"
  }
}

/// What the writer of an artifact has to say beside its tensors and blobs; see `ArtifactManifest`.
public struct ArtifactDescription: Sendable {
  /// The version of lmtool.
  public var lmtool: String
  /// The model's `config.json`.
  public var config: JSONValue
  /// The model's `generation_config.json`.
  public var generation: JSONValue?
  /// The blob that holds the tokenizer.
  public var tokenizer: String?
  /// The blob that holds the chat template.
  public var chatTemplate: String?
  /// The blob that holds the certificate.
  public var certificate: String?
  /// Where the model comes from and what was done to it.
  public var provenance: ArtifactManifest.Provenance
  /// What the model says.
  public var transcript: ArtifactManifest.Transcript?

  /// Makes a description.
  public init(
    lmtool: String, config: JSONValue, generation: JSONValue? = nil, tokenizer: String? = nil, chatTemplate: String? = nil,
    certificate: String? = nil, provenance: ArtifactManifest.Provenance, transcript: ArtifactManifest.Transcript? = nil
  ) {
    self.lmtool = lmtool
    self.config = config
    self.generation = generation
    self.tokenizer = tokenizer
    self.chatTemplate = chatTemplate
    self.certificate = certificate
    self.provenance = provenance
    self.transcript = transcript
  }
}
