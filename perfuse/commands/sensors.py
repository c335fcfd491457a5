"""Placeholder while the others are written."""


def add_parser(commands: object) -> None:
    """Add nothing yet."""
