"""`python -m coattail`: the command line, also where no `coattail` script is installed."""

import sys

from coattail.cli import process

if __name__ == "__main__":
    sys.exit(process())
