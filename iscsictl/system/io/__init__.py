"""Processes, files, signals and locks."""
