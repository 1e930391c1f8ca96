"""Files of both sides: what a sender reads, what a recipient writes. Every call may block."""
