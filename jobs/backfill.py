"""A job of EMR Serverless: fetch past trades from exchanges, and land them.

`coattail aws submit backfill` starts it, as
spark-submit --archives deps-….tar.gz#deps backfill.py backfill {"options": {…}, "settings": {…}}
"""

import sys

from coattail.workspace.at_work import on_driver

if __name__ == "__main__":
    sys.exit(on_driver("backfill", sys.argv[1:]))
