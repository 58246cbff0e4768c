"""Tables, trees, JSON and the status line."""
