"""The thinking, pure: what is, what is wished, what is to be done."""
