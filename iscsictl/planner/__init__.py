"""What has to be done, computed from facts: pure, no input or output."""
