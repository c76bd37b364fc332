"""Work on a whole home at once, beside an engine or while none runs: maintenance, and the schema drill."""
