"""Jobs: what runs in a place of its own and outlives whoever asked for it."""
