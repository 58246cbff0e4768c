"""Shell completion, generated from the command tree: static words, live names by shell globs."""
