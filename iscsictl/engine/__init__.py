"""Observe, plan, act, and again."""
