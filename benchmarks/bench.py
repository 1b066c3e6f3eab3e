"""`python run.py bench [engine] [library] [browser] [maps] [site] [tables] [watch]` prints the tables of README.md, all or the named ones;
`site` looks at what `python run.py site` has built.

`python run.py bench clinic` takes an hour and `bench classroom` wants the machine for itself: both have options of their own
(clinic.py, classroom.py) and are run by themselves.
"""

import os
import sys

import clinic
import engine
import library
import maps
import own_tables
import page
import site_pages
import watch

TABLES = {
    "engine": engine.main,
    "library": library.main,
    "browser": page.main,
    "maps": maps.main,
    "site": site_pages.main,
    "tables": own_tables.main,
    "watch": watch.main,
}


def main(wanted):
    """Run the named benchmarks."""
    if wanted[:1] == ["clinic"]:
        clinic.main(wanted[1:])
        return
    if wanted[:1] == ["classroom"]:
        import classroom  # it needs Unix, which the others do not

        classroom.main(wanted[1:])
        return
    unknown = set(wanted) - set(TABLES)
    if unknown:
        sys.exit(f"{', '.join(sorted(unknown))}: not one of {', '.join(TABLES)}, clinic, classroom.")
    for name in wanted or TABLES:
        if hasattr(os, "getloadavg"):
            print(f"\nload of the machine before: {os.getloadavg()[0]:.1f}\n")
        TABLES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
