"""The parameters of a notebook: one cell, tagged `parameters`, of lines like `hours: float = 2.0  # how far back`.

They are read from the syntax tree; nothing runs. Papermill itself takes any name and any type, and reads no
`int | None`.
"""

from __future__ import annotations

import ast
import difflib
import io
import tokenize
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from coattail.errors import UsageError

TAG = "parameters"
_TYPES: Mapping[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "None": None}
_FORM = "write it like `hours: float = 2.0  # how far back`"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a notebook."""

    name: str
    kind: str
    """As it is written: `int`, `str | None`, `list[str]`."""
    type: Any
    """What msgspec converts into."""
    default: Any
    says: str
    """The comment on its line; empty if there is none."""


def parameters_of(notebook: Mapping[str, Any], name: str) -> list[Parameter]:
    """What the notebook takes, in its order.

    notebook: The JSON of the file. name: Of the notebook, for messages.
    Raises: UsageError: If it has no cell with the tag, two, or a line in it that is not a parameter.
    """
    cells = [cell for cell in notebook["cells"] if TAG in cell.get("metadata", {}).get("tags", [])]
    if len(cells) != 1:
        said = "no cell" if not cells else f"{len(cells)} cells"
        raise UsageError(f"{name} has {said} with the tag '{TAG}'", next_step="tag the one cell that sets its defaults")
    source = "".join(cells[0]["source"])
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise UsageError(f"{name}: the parameters cannot be read (line {error.lineno})", next_step=_FORM) from None
    says = _comments(source)
    return [_parameter(node, says.get(node.lineno, ""), name) for node in tree.body]


def _comments(source: str) -> dict[int, str]:
    """Line -> the comment at its end."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _parameter(node: ast.stmt, says: str, notebook: str) -> Parameter:
    wrong = UsageError(f"{notebook}: line {node.lineno} of the parameters is not one", next_step=_FORM)
    if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
        raise wrong
    try:
        default, kind = ast.literal_eval(node.value), _type(node.annotation)
    except ValueError:
        raise wrong from None
    return Parameter(name=node.target.id, kind=ast.unparse(node.annotation), type=kind, default=default, says=says)


def _type(node: ast.expr) -> Any:
    """The type that an annotation writes: int, float, bool, str, None, list[…], and alternatives of these."""
    match node:
        case ast.Name(id=name) if name in _TYPES:
            return _TYPES[name]
        case ast.Constant(value=None):
            return None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            first, second = _type(left), _type(right)
            return (first or type(None)) | (second or type(None))
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            return list[_type(inner)]  # type: ignore[misc]
    raise ValueError(ast.unparse(node))


def chosen(parameters: Sequence[Parameter], given: Mapping[str, object]) -> dict[str, Any]:
    """The values given, each as its type; text is converted: `3`, `true`, `none`, `BTC-USD,ETH-USD` for a list.

    Raises: UsageError: If a name is unknown (the nearest is said), or a value does not fit.
    """
    known = {parameter.name: parameter for parameter in parameters}
    return {name: _converted(_known(name, known), value) for name, value in given.items()}


def _known(name: str, known: Mapping[str, Parameter]) -> Parameter:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    step = f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}"
    raise UsageError(f"there is no parameter {name!r}", next_step=step)


def _converted(parameter: Parameter, value: object) -> Any:
    tried = [value]
    if isinstance(value, str) and "list[" in parameter.kind:
        tried = [[part.strip() for part in value.split(",")] if value.strip() else []]
    if isinstance(value, str) and "None" in parameter.kind and value.strip().lower() in ("", "none", "null"):
        tried = [None]
    for one in tried:
        with suppress(msgspec.ValidationError):
            return msgspec.convert(one, parameter.type, strict=not isinstance(value, str))
    raise UsageError(f"{parameter.name} {value!r} is not {parameter.kind}", next_step=f"like {parameter.default!r}")
