"""The checks of `doctor`: one module per subject, each a pure function of the facts."""
