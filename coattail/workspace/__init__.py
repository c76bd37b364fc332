"""What people ask of a home, as typed functions over its stores: nothing prints, nothing decides an exit code.

The command line, notebooks and servers stand above these rooms and say the same things, because they ask here:

- `opening`     home -> settings, lake, hot store, dead letters
- `documents/`  the JSON forms, said once as msgspec Structs

A room takes `Stores` and returns a frame or a small Struct of `documents`.
"""
