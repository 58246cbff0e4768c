"""Observe, plan, execute, repeat: the loop and the execution of plans."""
