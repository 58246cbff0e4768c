"""Plans for sessions, node records, interfaces and the initiator name."""
