"""How a condition is refused."""


class ConditionError(ValueError):
    """What is wrong with a condition, and where: `line` and `column` count from 1, `offset` from 0."""

    def __init__(self, message: str, text: str, offset: int) -> None:
        before = text[:offset]
        self.message = message
        self.offset = offset
        self.line = before.count("\n") + 1
        self.column = offset - (before.rfind("\n") + 1) + 1
        super().__init__(f"{self.line}:{self.column}: {message}")
