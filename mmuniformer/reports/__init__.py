"""The page about a training: what its run wrote, and what it predicts."""
