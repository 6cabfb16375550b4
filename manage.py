#!/usr/bin/env python
"""Telara's command line. Where no service is named in the environment, it joins the embedded ones."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telara.settings")
    if "run_consumer" in sys.argv[1:2]:
        # It works in two threads already; more of polars' own only wait for each other. Polars reads it when imported.
        os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from telara import embedded, tables

    embedded.join(sys.argv)
    tables.ensure(sys.argv)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
