"""Plans for a file of volumes."""
