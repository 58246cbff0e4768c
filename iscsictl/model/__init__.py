"""Data types of the project: frozen, no input or output."""
