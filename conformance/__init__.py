"""Does a relay, a sender or a recipient keep docs/protocol.md? See docs/conformance.md."""
