"""Text to model, pure and total: one file per format."""
