"""Which command needs which service, and what it finds in the environment where it needs none."""

from collections.abc import Mapping

VARIABLES = {"postgres": "DATABASE_URL", "kafka": "KAFKA_BOOTSTRAP_SERVERS", "redis": "REDIS_URL"}
MARKER = "TELARA_EMBEDDED"

# Nobody listens there. Django's dummy database refuses every query, and lets `makemigrations --check` compare models.
NOWHERE = {
    "postgres": "django.db.backends.dummy://",
    "kafka": "127.0.0.1:9",
    "redis": "redis://127.0.0.1:9/0",
}
WITHOUT_SERVICES = frozenset(
    {
        "check",
        "check_rules",
        "collectstatic",
        "compilemessages",
        "diffsettings",
        "findstatic",
        "help",
        "makemessages",
        "score_rules",
        "spectacular",
        "startapp",
        "startproject",
        "version",
    }
)

# These make the tables themselves, or look at the database as it is.
WITHOUT_TABLES = frozenset(
    {
        "create_topics",
        "dbshell",
        "demo",
        "flush",
        "inspectdb",
        "makemigrations",
        "migrate",
        "optimizemigration",
        "showmigrations",
        "sqlflush",
        "sqlmigrate",
        "sqlsequencereset",
        "squashmigrations",
        "test",
    }
)


def services_wanted(argv: list[str]) -> bool:
    """Whether the command line `argv` (as in `sys.argv`) talks to any service."""
    command, options = (argv[1] if len(argv) > 1 else "help"), argv[2:]
    if command.startswith("-") or {"-h", "--help", "--version"} & set(options):
        return False
    if command == "backtest":
        return not any(option.split("=")[0] == "--readings" for option in options)
    if command == "makemigrations":
        return not {"--check", "--dry-run"} & set(options)
    if command == "check":
        return any(option.split("=")[0] == "--database" for option in options)
    return command not in WITHOUT_SERVICES


def tables_wanted(argv: list[str]) -> bool:
    """Whether the command line `argv` reads or writes Telara's tables."""
    return services_wanted(argv) and argv[1] not in WITHOUT_TABLES


def services_unset(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The services that the environment does not name, or names only because a parent of ours embedded them."""
    inherited = environ.get(MARKER, "").split(",")
    return tuple(
        service
        for service, variable in VARIABLES.items()
        if service in inherited or not (environ.get(variable) or environ.get(f"{variable}_FILE"))
    )
