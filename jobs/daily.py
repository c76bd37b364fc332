"""A job of EMR Serverless: write the report of a day.

`coattail aws submit daily` starts it, as
spark-submit --archives deps-….tar.gz#deps daily.py daily {"options": {…}, "settings": {…}}
"""

import sys

from coattail.workspace.at_work import on_driver

if __name__ == "__main__":
    sys.exit(on_driver("daily", sys.argv[1:]))
