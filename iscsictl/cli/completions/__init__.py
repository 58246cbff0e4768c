"""Shell completion, generated from the command tree; shell globs find names on the machine."""
