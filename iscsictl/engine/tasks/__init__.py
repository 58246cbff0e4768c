"""What the loop is given for each family of commands."""
