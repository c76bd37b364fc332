"""Promises about the repository itself."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from coattail import versions
from tests.harness.locks import LOCKS, locked
from tools.rooms import LEVELS, PACKAGE, drawn, imports_of, part_of, upstream_parts

ROOT = Path(__file__).parents[2]
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("polars", "pyarrow", "pyiceberg", "duckdb", "numpy", "pandas", "pyspark", "boto3", "sqlalchemy", "sqlglot")


def test_every_part_has_its_place_in_the_order() -> None:
    placed = {part for parts in LEVELS for part in parts}
    assert set(upstream_parts()) <= placed, "say in LEVELS of tools/rooms.py where the new part stands"


def test_the_picture_of_the_rooms_is_of_this_package() -> None:
    assert (ROOT / "docs" / "img" / "rooms.svg").read_text() == drawn(upstream_parts()), "draw it: make rooms"


def test_imports_go_one_way() -> None:
    level = {part: number for number, parts in enumerate(LEVELS) for part in parts}
    wrong = [
        f"{part} imports {name}"
        for part, names in upstream_parts().items()
        for name in names
        if level[name] > level[part]
    ]
    assert wrong == []


def test_the_wheel_holds_the_package_and_nothing_beside_it() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert build["wheel"] == {
        "packages": ["coattail"],
        "force-include": {
            "notebooks": "coattail/notebooks/shelf",
            "jobs": "coattail/aws/shipped/jobs",
            "infra": "coattail/aws/shipped/infra",
            "requirements-emr.lock": "coattail/aws/shipped/requirements-emr.lock",
            "requirements-lambda.lock": "coattail/aws/shipped/requirements-lambda.lock",
        },
    }
    beside = {path.parent.name for path in ROOT.glob("*/*.py") if path.parent.name != "coattail"}
    assert beside <= set(build["sdist"]["include"])


def test_tests_share_the_harness_only_and_nothing_imports_faults_or_benchmarks() -> None:
    """Whatever two files of tests need is in tests/harness; experiments and benchmarks stand above it."""
    allowed = {
        "coattail": (),
        "tools": ("tools",),
        "tests": ("tests", "tools"),
        "faults": ("tests", "faults", "tools"),
        "benchmarks": ("tests", "benchmarks"),
    }
    imports = [
        (module, name)
        for folder in allowed
        for module in sorted((ROOT / folder).rglob("*.py"))
        for name in imports_of(module)
        if name.split(".")[0] in ("tests", "faults", "benchmarks", "tools")
    ]
    wrong = [
        f"{module.relative_to(ROOT)} imports {name}"
        for module, name in imports
        if name.split(".")[0] not in allowed[module.relative_to(ROOT).parts[0]]
        or (name.startswith("tests.") and not name.startswith("tests.harness."))
    ]
    assert wrong == []


def test_no_two_parts_import_each_other_by_any_way_round() -> None:
    upstream = upstream_parts()
    left = dict(upstream)
    while free := [part for part, names in left.items() if not names & left.keys()]:
        for part in free:
            del left[part]
    assert left == {}


@pytest.mark.parametrize("part", ["landing", "detectors"])
def test_kernels_do_no_input_or_output(part: str) -> None:
    forbidden = {"pyspark", "boto3", "pyiceberg", "duckdb", "sqlite3", "os", "io", "socket", "time", "random"}
    roots = {name.split(".")[0] for module in MODULES if part_of(module) == part for name in imports_of(module)}
    assert roots & forbidden == set()


WAREHOUSE = re.compile(
    r"""file:/|removeprefix\(.file|sqlite:///|/ ["']warehouse["']"""
    r"""|Path\([^)]*(location|file_path|\.metadata)|\blocal_path\b|import .*\blocal\b"""
)
SEAM = {"stores/storage.py", "stores/catalog.py"}
"""Where the warehouse's files are, and the catalog beside them, is known here."""


def knowing_of_the_warehouse(sources: dict[str, str]) -> list[str]:
    """Lines of modules, but for the seam, that take the warehouse for a folder of this machine."""
    return [
        f"{name}: {line.strip()}"
        for name, source in sources.items()
        if name not in SEAM
        for line in source.splitlines()
        if WAREHOUSE.search(line)
    ]


def test_only_the_seam_knows_a_path_of_the_warehouse() -> None:
    sources = {str(path.relative_to(PACKAGE)): path.read_text() for path in MODULES}
    assert sources.keys() >= SEAM
    found = [line for line in knowing_of_the_warehouse(sources) if "spark.sql.warehouse.dir" not in line]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'path = file.file_path.removeprefix("file://")',
        "Path(table.location(), 'data')",
        "pl.read_parquet(Path(file.file_path))",
        'SqlCatalog("x", uri=f"sqlite:///{path}")',
        'folder = home.path / "warehouse"',
        "from coattail.stores.storage import local_path",
    ],
)
def test_a_line_that_knows_a_path_of_the_warehouse_is_found(line: str) -> None:
    assert knowing_of_the_warehouse({"stores/new.py": line}) != []


def test_importing_coattail_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import coattail; print(sorted(set(sys.modules) - before))"
    assert run_python(code) == "['coattail']"


def test_the_command_line_starts_without_anything_heavy() -> None:
    code = f"import sys; from coattail.cli import main; main(['--help']); print(set({HEAVY!r}) & set(sys.modules))"
    assert run_python(code).endswith("set()")


@pytest.mark.parametrize(
    "command",
    ["alerts", "explain 1", "sql 'SELECT 1'", "land", "maintain", "export bars --out bars.csv", "report day",
     "what-if --set volume-anomaly.z_threshold=3", "snapshots", "schema-drill"],
)  # fmt: skip
def test_a_home_that_is_not_there_is_refused_before_anything_heavy_is_imported(command: str, tmp_path: Path) -> None:
    arguments = [*shlex.split(command), "--home", str(tmp_path / "none")]
    code = f"import sys; from coattail.cli import main; print(main({arguments}), set({HEAVY!r}) & set(sys.modules))"
    assert run_python(code) == "1 set()"


def test_trades_are_fetched_and_packed_without_polars() -> None:
    """The loader that runs where nothing but trades is needed is small."""
    code = (
        "import sys, coattail.producer.backfill, coattail.streams.opening; "
        "from coattail.connectors import CONNECTORS; "
        "[kind().history('BTC-USD') for kind in CONNECTORS.values() if kind.ids_contiguous]; "
        "print({'polars', 'pyarrow', 'numpy', 'pandas', 'pyiceberg', 'pyspark', 'boto3'} & set(sys.modules))"
    )
    assert run_python(code) == "set()"


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_no_two_classes_share_a_name() -> None:
    """Whoever reads a name knows what it is, wherever it stands; types that are only another name for one count too."""
    places: dict[str, list[str]] = {}
    for module in (*MODULES, *sorted((ROOT / "tools").rglob("*.py"))):
        for node in ast.parse(module.read_text()).body:
            for name in names_of_types(node):
                places.setdefault(name, []).append(str(module.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def names_of_types(node: ast.stmt) -> Iterator[str]:
    """A public class, or a name given to a type: `Offsets = dict[str, str]`."""
    if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
        yield node.name
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
        option = name.endswith("Option")  # how a command of the command line takes it
        if isinstance(node.value, ast.Subscript) and name[0].isupper() and not (name.isupper() or option):
            yield name


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [str(path) for path in (*MODULES, *(ROOT / "tests").rglob("*.py")) if path.stem in drawers] == []
    assert [str(path) for path in PACKAGE.rglob("*") if path.is_dir() and path.name in drawers] == []


def test_no_module_is_longer_than_400_lines() -> None:
    assert [str(path) for path in MODULES if len(path.read_text().splitlines()) > 400] == []


def test_versions_are_the_same_everywhere() -> None:
    """coattail/versions.py is the one place; whoever names a version elsewhere names that one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"pyspark=={versions.PYSPARK}" in project["optional-dependencies"]["spark"]
    assert f"pyiceberg[pyiceberg-core,sql-sqlite]=={versions.PYICEBERG}" in project["dependencies"]
    for lock in LOCKS:
        assert f"pyiceberg=={versions.PYICEBERG}" in locked(lock)
    assert f"pyspark=={versions.PYSPARK}" in locked(LOCKS[2])
    assert f"- openjdk={versions.JAVA}\n" in (ROOT / "environment.yml").read_text()
    named = {
        r"PySpark (\d+\.\d+\.\d+)": versions.PYSPARK,
        r"Spark (\d+\.\d+\.\d+)": versions.PYSPARK,
        r"Java (\d+)": str(versions.JAVA),
        r"openjdk-(\d+)": str(versions.JAVA),
        r"java-version: \"(\d+)\"": str(versions.JAVA),
    }
    pages = [ROOT / "README.md", ROOT / "Makefile", *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").rglob("*.yml")]
    found = {(page.name, name): set(re.findall(name, page.read_text())) for page in pages for name in named}
    assert {name for (_, name), all_found in found.items() if all_found} >= {r"Java (\d+)", r"java-version: \"(\d+)\""}
    assert {key: all_found for key, all_found in found.items() if all_found - {named[key[1]]}} == {}


def test_every_make_target_explains_itself() -> None:
    targets = re.findall(r"^([a-z-]+):(?!=)(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"help", "setup", "demo", "lab", "check", "test", "bench", "clean", "lock"} <= {name for name, _ in targets}
    assert [name for name, rest in targets if "## " not in rest] == []


def test_every_decision_has_the_same_form() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    for page in sorted((ROOT / "docs" / "adr").glob("0*.md")):
        text = page.read_text()
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert text.startswith(f"# {page.name[:4]}. ")
        assert headings in (["Context", "Decision", "Consequences"], ["Context", "Decision", "Consequences", "Figures"])
        assert page.name in index
