"""What each family of commands prints."""
