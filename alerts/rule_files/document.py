"""A YAML document as nodes with places, for text that somebody else wrote.

No aliases, anchors or tags (so no bomb and no object), one document, shallow and small.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 6
# What escapes can say, and no database, page or message can hold: control characters, and halves of characters.
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class DocumentError(ValueError):
    """The text is not a document that a rule could stand in; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        self.message, self.line, self.column = message, line, column
        super().__init__(message)


def read_document(text: str, *, mended: bool = False) -> yaml.MappingNode:
    """The one mapping of the text; raises DocumentError. With `mended` U+FFFD stands for what a text may not hold."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise DocumentError(f"larger than {MAX_BYTES // 1024} KiB", 1, 1)
    try:
        _check(_events(text), mended=mended)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(f"not YAML: {error.problem or error.context}", *_place(mark)) from error
    except yaml.YAMLError as error:
        raise DocumentError("not YAML: a character that is not allowed", 1, 1) from error
    if node is None:
        raise DocumentError("the file is empty", 1, 1)
    if not isinstance(node, yaml.MappingNode):
        raise DocumentError("a rule is a mapping: id, when, max_gap, ...", 1, 1)
    if mended:
        _mend(node)
    return node


def _events(text: str) -> Iterator[yaml.Event]:
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_event():
            yield loader.get_event()  # type: ignore[no-untyped-call]  # the stubs leave it open
    except (ValueError, OverflowError) as error:  # of an escape, or in %YAML: PyYAML takes what is written
        raise DocumentError("not YAML: a number that is too large", *_place(loader.get_mark())) from error


def _mend(node: yaml.Node) -> None:
    if isinstance(node, yaml.ScalarNode):
        node.value = _UNPRINTABLE.sub("\ufffd", node.value)
        return
    for child in node.value:
        for each in child if isinstance(child, tuple) else (child,):
            _mend(each)


def _check(events: Iterator[yaml.Event], *, mended: bool) -> None:
    """Refuse what a rule does not need and an attacker does, before any of it is built."""
    depth = documents = 0
    for event in events:
        line, column = _place(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise DocumentError("anchors and aliases are not allowed", line, column)
        if getattr(event, "tag", None):
            raise DocumentError("tags are not allowed", line, column)
        if not mended and isinstance(event, yaml.ScalarEvent) and (found := _UNPRINTABLE.search(event.value)):
            raise DocumentError(f"a character that a text may not hold: {found[0]!r}", line, column)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if depth > MAX_DEPTH:
            raise DocumentError(f"nested more than {MAX_DEPTH} deep", line, column)
        if documents > 1:
            raise DocumentError("one rule a file: a second document is not allowed", line, column)


def _place(mark: Any) -> tuple[int, int]:  # the stubs' two kinds of Mark have no common name
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def place_in(node: yaml.ScalarNode, offset: int) -> tuple[int, int]:
    """Line and column of the character at `offset` of a scalar's value, as it stands in the file.

    Folding turns line ends and indents into blanks, so it counts the characters that are not blank.
    """
    start, end = node.start_mark, node.end_mark
    text = start.buffer or ""
    raw = text[start.pointer : end.pointer] if start.buffer else node.value
    ahead = sum(not character.isspace() for character in node.value[:offset])
    position = _skip(raw, _body(raw, node.style), ahead, doubled=node.style == "'")
    before = raw[:position]
    line = start.line + before.count("\n")
    column = position - before.rfind("\n") - 1 if "\n" in before else start.column + position
    return line + 1, column + 1


def _body(raw: str, style: str | None) -> int:
    """Where the value begins: behind the quote, or behind the line of the `|` or `>`."""
    if style in ("|", ">"):
        return raw.find("\n") + 1
    return 1 if style in ("'", '"') else 0


def _skip(raw: str, position: int, ahead: int, *, doubled: bool) -> int:
    """The place of the character that has `ahead` characters other than blanks before it."""
    while position < len(raw):
        if not raw[position].isspace():
            if ahead == 0:
                return position
            ahead -= 1
            position += doubled and raw[position : position + 2] == "''"
        position += 1
    return position
