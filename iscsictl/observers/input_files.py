"""Files that a user names on the command line, for commands."""

from iscsictl.system.io.input_files import read_input

__all__ = ["read_input"]
