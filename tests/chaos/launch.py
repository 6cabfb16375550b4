"""`run_consumer` as a program of the tests' own, with something about it changed first; nothing of that ships.

python -m tests.chaos.launch wrong.no_fence,stopping --topics ...
"""

import os
import sys
from importlib import import_module


def main(changed_by: str, *arguments: str) -> None:
    """The command with `arguments`, after the function `change` of these modules of the tests."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telara.settings")
    import django
    from django.core.management import call_command

    django.setup()
    for name in changed_by.split(","):
        import_module(f"tests.chaos.{name}").change()
    call_command("run_consumer", *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
