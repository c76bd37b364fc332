"""What writes this repository's own pages and checks its claims: not part of the package, not installed."""
