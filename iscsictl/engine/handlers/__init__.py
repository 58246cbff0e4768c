"""What each action does to the machine: one handler per action, one module per domain."""
