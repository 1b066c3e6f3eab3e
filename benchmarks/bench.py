"""`python run.py bench [engine] [browser] [maps]` prints the tables of README.md, all or the named ones."""

import os
import sys

import engine
import maps
import page

TABLES = {"engine": engine.main, "browser": page.main, "maps": maps.main}


def main(wanted):
    """Run the named benchmarks."""
    unknown = set(wanted) - set(TABLES)
    if unknown:
        sys.exit(f"{', '.join(sorted(unknown))}: not one of {', '.join(TABLES)}.")
    for name in wanted or TABLES:
        if hasattr(os, "getloadavg"):
            print(f"\nload of the machine before: {os.getloadavg()[0]:.1f}\n")
        TABLES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
