"""Single values of a rule's text: read for a form, and changed where they stand, whatever else the text says.

A path is a key, or a key within `sustained` and `clear`: `title`, `clear.when`. Lists are written with commas between.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import yaml

from alerts.rule_files.document import DocumentError, read_document
from alerts.rule_files.parse import CLEAR_KEYS, KEYS, SUSTAINED_KEYS

INNER: Final = {"sustained": SUSTAINED_KEYS, "clear": CLEAR_KEYS}
LISTS: Final = ("measures",)
PROSE: Final = ("falsepositives", "references")  # sentences with commas of their own: only the text has them
PATHS: Final = tuple(
    path
    for key in KEYS
    if key not in PROSE
    for path in ([f"{key}.{inner}" for inner in INNER[key]] if key in INNER else [key])
)
_WIDTH: Final = 2**20  # a value stays on its line


def values_of(text: str) -> dict[str, str]:
    """The values that the text has, by path; raises DocumentError where it is no mapping."""
    found: dict[str, str] = {}
    for key, (_, node) in _entries(read_document(text)).items():
        if isinstance(node, yaml.MappingNode):
            inner = {f"{key}.{name}": each for name, (_, each) in _entries(node).items()}
            found |= {path: each.value for path, each in inner.items() if isinstance(each, yaml.ScalarNode)}
        elif isinstance(node, yaml.SequenceNode):
            found[key] = ", ".join(each.value for each in node.value if isinstance(each, yaml.ScalarNode))
        elif isinstance(node, yaml.ScalarNode):
            found[key] = node.value
    return {path: value for path, value in found.items() if path in PATHS}


def value_set(text: str, path: str, value: str) -> str:
    """The text with one value changed, added, or, where it is empty, taken out. Raises DocumentError, and KeyError for
    a path that is none of PATHS.

    Comments stay with what they stand beside: they go only with the lines of a value that is taken out, and with a list
    that is put into another order or stands in brackets, which is written anew.
    """
    if path not in PATHS:
        raise KeyError(path)
    mapping = read_document(text)
    if mapping.flow_style:
        raise DocumentError("a rule in braces cannot be changed by the form: write a line for each key", 1, 1)
    key, _, inner = path.partition(".")
    _, node = _entries(mapping).get(key, (None, None))
    if not inner:
        items = _items(value) if key in LISTS else []
        if items and isinstance(node, yaml.SequenceNode) and _is_lines_of(node, items):
            return _items_put(text, node, items)
        return _put(text, mapping, key, f"[{', '.join(items)}]" if items else _scalar(value), KEYS)
    if not isinstance(node, yaml.MappingNode) or not _entries(node).keys() - (() if value.strip() else {inner}):
        written = _scalar(value, flow=True)
        return _put(text, mapping, key, f"{{{inner}: {written}}}" if written else "", KEYS)
    put = _put_in_braces if node.flow_style else _put
    return put(text, node, inner, _scalar(value, flow=bool(node.flow_style)), INNER[key])


def _entries(mapping: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    return {key.value: (key, value) for key, value in mapping.value if isinstance(key, yaml.ScalarNode)}


def _put(text: str, mapping: yaml.MappingNode, key: str, written: str, order: Sequence[str]) -> str:
    """The text with what stands behind a key of a mapping of lines replaced; whole lines are added and taken out."""
    entries = _entries(mapping)
    if key in entries:
        name, value = entries[key]
        end = _end(text, value)
        if written:
            return f"{text[: name.end_mark.index]}: {written}{_beside(text, name, value)}{text[end:]}"
        return _without_lines(text, name.start_mark.index, end)
    if not written:
        return text
    line = f"{' ' * mapping.start_mark.column}{key}: {written}"
    ends = _ends_before(text, entries, key, order)
    if ends:
        at = _line_end(text, max(ends))
        return f"{text[:at]}\n{line}{text[at:]}"
    at = _line_start(text, mapping.start_mark.index)
    return f"{text[:at]}{line}\n{text[at:]}"


def _put_in_braces(text: str, mapping: yaml.MappingNode, key: str, written: str, order: Sequence[str]) -> str:
    """The same for a mapping in braces, which has another entry where one is taken out."""
    entries = _entries(mapping)
    spans = [(name.start_mark.index, _end(text, value)) for name, value in entries.values()]
    if key not in entries:
        ends = _ends_before(text, entries, key, order)
        if not written:
            return text
        at = max(ends, default=spans[0][0])
        return f"{text[:at]}{f', {key}: {written}' if ends else f'{key}: {written}, '}{text[at:]}"
    name, value = entries[key]
    if written:
        return f"{text[: name.end_mark.index]}: {written}{text[_end(text, value) :]}"
    place = list(entries).index(key)
    start, end = spans[place]
    if place + 1 < len(spans):
        end = spans[place + 1][0]
    elif "#" not in text[spans[place - 1][1] : start]:
        start = spans[place - 1][1]
    return text[:start] + text[end:]


def _is_lines_of(node: yaml.SequenceNode, items: Sequence[str]) -> bool:
    """Whether a list has a line for each item, and those that stay are the first of `items`, in their order."""
    if node.flow_style or not all(isinstance(each, yaml.ScalarNode) for each in node.value):
        return False
    staying = [each.value for each in node.value if each.value in items]
    return staying == list(items[: len(staying)]) and len({*items}) == len(items)


def _items_put(text: str, node: yaml.SequenceNode, items: Sequence[str]) -> str:
    """A list of lines with those of other items taken out, and those that are new put behind the last."""
    last = node.value[-1]
    dash = text[_line_start(text, last.start_mark.index) : last.start_mark.index]
    at = _line_end(text, _end(text, last))
    present = {each.value for each in node.value}
    text = text[:at] + "".join(f"\n{dash}{item}" for item in items if item not in present) + text[at:]
    for gone in reversed([each for each in node.value if each.value not in items]):
        text = _without_lines(text, gone.start_mark.index, _end(text, gone))
    return text


def _ends_before(
    text: str, entries: Mapping[str, tuple[yaml.Node, yaml.Node]], key: str, order: Sequence[str]
) -> list[int]:
    """Where the values of the keys end behind which `key` belongs."""
    before = set(order[: order.index(key)])
    return [_end(text, value) for name, (_, value) in entries.items() if name in before]


def _end(text: str, node: yaml.Node) -> int:
    """Where a value ends, without the blank lines and comments behind it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    start, end = node.start_mark.index, node.end_mark.index
    return start + len(text[start:end].rstrip())


def _beside(text: str, name: yaml.Node, value: yaml.Node) -> str:
    """The comment on the line of a key whose value stands below it."""
    at = name.end_mark.index
    line = text[at : _line_end(text, at)]
    is_below = value.start_mark.line > name.end_mark.line or (
        isinstance(value, yaml.ScalarNode) and value.style in ("|", ">")
    )
    _, sign, comment = line.partition("#")
    return f"  #{comment}" if is_below and sign else ""


def _without_lines(text: str, start: int, end: int) -> str:
    """The text without the lines from that of `start` to that of `end`."""
    return text[: _line_start(text, start)] + text[_line_end(text, end) + 1 :]


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def _scalar(value: str, *, flow: bool = False) -> str:
    """A value as YAML writes it, on one line; empty for none."""
    words = " ".join(value.split())
    if not words:
        return ""
    if _is_plain(words, flow=flow):
        return words
    return yaml.safe_dump(words, default_style='"', width=_WIDTH, allow_unicode=True).strip()


def _is_plain(words: str, *, flow: bool) -> bool:
    """Whether it reads back as itself without quotes."""
    text = f"{{a: {words}}}" if flow else f"a: {words}"
    try:
        node = read_document(text)
    except DocumentError:
        return False
    value = _entries(node).get("a")
    return value is not None and isinstance(value[1], yaml.ScalarNode) and value[1].value == words


def _items(value: str) -> list[str]:
    return [_scalar(each, flow=True) for each in value.split(",") if each.strip()]
