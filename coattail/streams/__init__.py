"""Step 3 of 7: records wait here, in lanes, until they have landed."""
