"""The same work as somebody would write it without coattail: honest, readable, and as fast as the tool allows."""
