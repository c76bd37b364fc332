"""Step 2 of 7: frames in, packs in the stream: recordings replayed, exchanges heard live, history fetched."""
