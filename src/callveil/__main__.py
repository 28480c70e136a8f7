"""`python -m callveil`."""

from callveil.cli import main

main()
