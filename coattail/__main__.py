"""`python -m coattail`: the command line, also where no `coattail` script is installed."""

import sys

from coattail.cli import main

if __name__ == "__main__":
    sys.exit(main())
