"""What a test adds to a copy of the package, and the walk through everything that must then know it."""
