"""Packages: each is built as its make target builds it, and used as somebody would use it."""
