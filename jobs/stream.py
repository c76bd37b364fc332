"""A job of EMR Serverless: land what the stream holds, and raise alerts.

`coattail aws submit stream` starts it, as
spark-submit --archives deps-….tar.gz#deps stream.py stream {"options": {…}, "settings": {…}}
"""

import sys

from coattail.workspace.at_work import on_driver

if __name__ == "__main__":
    sys.exit(on_driver("stream", sys.argv[1:]))
