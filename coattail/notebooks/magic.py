"""`%%sql` in a cell: Athena's SQL over the workspace of the notebook; `%load_ext coattail` brings it.

`%%sql` shows the answer, `%%sql name` keeps it under a name; `:variable` is a variable of the notebook.
"""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class

from coattail.errors import UsageError
from coattail.sql.parameters import names_in
from coattail.workspace.bound import Workspace


@magics_class
class SqlMagics(Magics):
    """The magic `%%sql`, and `%sql` on a line."""

    @line_cell_magic
    def sql(self, line: str, cell: str | None = None) -> Any:
        """Answer a statement; in a cell, the line may hold a name to keep the answer under."""
        assert self.shell is not None
        variables = self.shell.user_ns
        workspaces = [value for value in variables.values() if isinstance(value, Workspace)]
        if not workspaces:
            raise UsageError("there is no workspace yet", next_step="run ws = Workspace() first")
        name, text = (line.strip(), cell) if cell is not None else ("", line)
        if name and not name.isidentifier():
            raise UsageError(f"{name!r} is not a variable's name", next_step="write %%sql, or %%sql answer")
        given = {key: variables[key] for key in names_in(text) if key in variables}
        answer = workspaces[-1].sql(text, **given)
        if not name:
            return answer
        variables[name] = answer
        print(f"{name}: {answer.height:,} rows, {answer.width} columns")
        return None
