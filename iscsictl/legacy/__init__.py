"""The import of the sfnet driver's files; everything about it is in this package."""
