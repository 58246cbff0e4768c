"""Click, and nothing else knows it: options, families of commands, exit codes."""
