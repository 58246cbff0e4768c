"""Plans for attach, detach and reconnect."""
