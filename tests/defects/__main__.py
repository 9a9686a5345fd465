"""Prints the table of defects into the documentation."""

import sys
from pathlib import Path

from defects.table import printed_into

if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(printed_into(document.read_text(encoding="utf-8")), encoding="utf-8")
