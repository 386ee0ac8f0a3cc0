"""What is true: pure values and decisions, with no I/O, no clock and no randomness of their own."""
