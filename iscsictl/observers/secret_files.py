"""Secrets that the user keeps in files, for commands."""

from iscsictl.system.io.secret_file import SecretFile, read_secret_file

__all__ = ["SecretFile", "read_secret_file"]
