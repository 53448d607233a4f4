"""`python -m meshlint`."""

from meshlint.cli import main

main(prog_name="meshlint")
