"""The JSON forms of everything a person asks for, each defined once: for `--json`, HTTP and OpenAPI.

Each form is a msgspec Struct in a module of its subject; a room of the workspace returns it. `plain` holds the
conventions: decimals are text, times are ISO 8601 in UTC with `Z`, durations are text like `10s`, what is not finite
is null, and a key is there even if its value is null. docs/CLI.md shows each form.
"""

from coattail.workspace.documents.conventions import encoded, plain

__all__ = ["encoded", "plain"]
