"""Facts for planners, gathered without changing anything."""
