"""A job of EMR Serverless: recompute the alerts of stored trades, and compare.

`coattail aws submit reprocess` starts it, as
spark-submit --archives deps-….tar.gz#deps reprocess.py reprocess {"options": {…}, "settings": {…}}
"""

import sys

from coattail.workspace.at_work import on_driver

if __name__ == "__main__":
    sys.exit(on_driver("reprocess", sys.argv[1:]))
