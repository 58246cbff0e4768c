"""The rules of `doctor`: one module per subject, each a pure function of facts."""
