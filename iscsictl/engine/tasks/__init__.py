"""The tasks that are handed to the loop, for each family of commands."""
