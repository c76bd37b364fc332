"""Pack plotly.js for pages: coattail/reports/plotly-finance.js.deflate and its licence beside it.

python -m tools.plotly_bundle FOLDER, where FOLDER is the unpacked npm package plotly.js-finance-dist-min. Prints what
coattail/reports/bundles.py has to say of it.
"""

from __future__ import annotations

import re
import shutil
import sys
import zlib
from pathlib import Path

from coattail.reports import bundles


def pack(package: Path) -> str:
    """Write the two files; returns the lines that name the version and the hash."""
    text = (package / "plotly-finance.min.js").read_bytes()
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bundles.FILE.write_bytes(compressor.compress(text) + compressor.flush())
    shutil.copyfile(package / "LICENSE", bundles.FILE.with_name("plotly-finance.LICENSE"))
    version = re.search(rb"plotly\.js \(finance - minified\) v([\d.]+)", text[:200])
    assert version is not None, "this is not the minified finance bundle"
    return f'VERSION = "{version[1].decode()}"\nHASH = "{bundles.hash_of(text)}"'


if __name__ == "__main__":
    print(pack(Path(sys.argv[1])))
