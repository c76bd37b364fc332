"""Step 7 of 7: the loops around landing, stores and detectors: live, drain, batch."""
