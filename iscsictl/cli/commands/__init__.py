"""The commands, one module per family; each is imported when it is called."""
