import Models
import Tokenizers

/// A text that models are compared on.
public struct CertificateProbe: Sendable, Equatable {
  /// What kind of text it is.
  public var name: String
  /// The text.
  public var text: String

  /// A text of a kind.
  public init(name: String, text: String) {
    self.name = name
    self.text = text
  }

  /// The texts that every certificate has: a story in the words of children and answers, written for this purpose and in the public domain,
  /// and pages of Jane Austen (Northanger Abbey, 1817) and Charles Darwin (On the Origin of Species, 1859).
  public static let bundled = [
    CertificateProbe(name: "story", text: story), CertificateProbe(name: "answers", text: answers),
    CertificateProbe(name: "novel", text: novel), CertificateProbe(name: "science", text: science),
  ]

  /// What models go on with that are not asked in a chat format.
  static let openings = [
    "Once upon a time", "One day, a little girl named Anna went", "The old man looked at the sea and",
    "It was a cold day, and the",
  ]

  /// What chat models are asked.
  static let questions = [
    "What is gravity?", "What is the capital of France?", "Write a short story about a lost dog.",
    "Explain how rainbows form.",
  ]

  /// What the model in a file goes on with.
  static func prompts(for file: ModelSource, _ tokenizer: Tokenizer) -> [String] {
    ChatFormat(file, tokenizer).isPlain ? openings : questions
  }

  private static let story = """
    One day, a little girl named Anna went to the park with her mother. She saw a big red kite in the sky. "I want to fly a kite too," \
    she said. Her mother smiled and said, "Let us make one at home." They found paper, string and two sticks. Anna was very happy. She \
    ran up the hill, and the wind took her kite high, high up. Then the string broke, and the kite fell into a tree. Anna was sad and \
    began to cry. A boy named Ben came and asked, "Why are you sad?" Anna showed him the tree. Ben climbed up and got the kite. "Thank \
    you!" said Anna. They played together until the sun went down. The next day Anna went to the park again. Ben was there with his dog. \
    The dog was small and brown, and it liked to run. Anna threw a ball, and the dog ran after it. "Good dog!" she said. Then it began to \
    rain. They ran under a big tree and waited. Soon the rain stopped, and there was a rainbow in the sky. "Look, how pretty!" said Ben. \
    They were happy, and from that day on they were friends.
    """

  private static let answers = """
    Gravity is the force that pulls things toward each other. The Earth is very large, so it pulls everything near it toward its center. \
    That is why an apple falls from a tree and why the Moon stays in its orbit around the Earth. The capital of France is Paris. It lies on \
    the river Seine and has about two million people. To find the area of a rectangle, multiply its length by its width. For example, a \
    room that is 5 meters long and 4 meters wide has an area of 20 square meters. If you paint one wall that is 4 meters wide and 3 meters \
    high, you paint 12 square meters. Here are three things that you can do to sleep better:

    1. Go to bed at the same time every day.
    2. Keep your bedroom dark, quiet and cool.
    3. Do not drink coffee in the evening.

    Water boils at 100 degrees Celsius at sea level. On a high mountain the pressure of the air is lower, so water boils at a lower \
    temperature, and food takes longer to cook.
    """

  private static let novel = """
    No one who had ever seen Catherine Morland in her infancy would have supposed her born to be an heroine. Her situation in life, the \
    character of her father and mother, her own person and disposition, were all equally against her. Her father was a clergyman, without \
    being neglected, or poor, and a very respectable man, though his name was Richard--and he had never been handsome. He had a \
    considerable independence besides two good livings--and he was not in the least addicted to locking up his daughters. Her mother was a \
    woman of useful plain sense, with a good temper, and, what is more remarkable, with a good constitution. She had three sons before \
    Catherine was born; and instead of dying in bringing the latter into the world, as anybody might expect, she still lived on--lived to \
    have six children more--to see them growing up around her, and to enjoy excellent health herself. A family of ten children will be \
    always called a fine family, where there are heads and arms and legs enough for the number; but the Morlands had little other right to \
    the word, for they were in general very plain, and Catherine, for many years of her life, as plain as any.
    """

  private static let science = """
    When we look to the individuals of the same variety or sub-variety of our older cultivated plants and animals, one of the first points \
    which strikes us, is, that they generally differ much more from each other, than do the individuals of any one species or variety in a \
    state of nature. When we reflect on the vast diversity of the plants and animals which have been cultivated, and which have varied \
    during all ages under the most different climates and treatment, I think we are driven to conclude that this greater variability is \
    simply due to our domestic productions having been raised under conditions of life not so uniform as, and somewhat different from, \
    those to which the parent-species have been exposed under nature. It seems pretty clear that organic beings must be exposed during \
    several generations to the new conditions of life to cause any appreciable amount of variation; and that when the organisation has once \
    begun to vary, it generally continues to vary for many generations. No case is on record of a variable being ceasing to be variable \
    under cultivation.
    """
}
