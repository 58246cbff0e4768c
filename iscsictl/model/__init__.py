"""The words of the project: frozen data, no input or output."""
