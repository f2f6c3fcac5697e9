"""`python -m wattbay`: the command line."""

from wattbay.cli import main

main()
