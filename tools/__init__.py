"""Generators and measurements for contributors; not part of the installed package."""
