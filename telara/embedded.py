"""The embedded services: what Telara talks to where nothing else is named."""


def join(argv: list[str]) -> None:
    """Put the addresses of the embedded services into the environment."""
