"""Compute what has to be done from facts: pure functions, no input or output."""
