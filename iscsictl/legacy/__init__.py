"""The import of the files of the sfnet driver; everything about it is in this package."""
