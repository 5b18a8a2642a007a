@main struct LMTool { static func main() {} }
