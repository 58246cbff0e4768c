"""Tables, trees, JSON and progress."""
