"""A job of EMR Serverless: merge small files, forget old snapshots, remove leftovers.

`coattail aws submit maintain` starts it, as
spark-submit --archives deps-….tar.gz#deps maintain.py maintain {"options": {…}, "settings": {…}}
"""

import sys

from coattail.workspace.at_work import on_driver

if __name__ == "__main__":
    sys.exit(on_driver("maintain", sys.argv[1:]))
