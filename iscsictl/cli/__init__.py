"""The command line: options, families of commands, exit codes. Only this package uses Click."""
