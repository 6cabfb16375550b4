"""What an OpenAPI document says, in the words and the order in which a page shows it. Pure: a dict in, rows out."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Schema = Mapping[str, Any]

METHODS: Final = ("get", "post", "put", "patch", "delete")
WORDS: Final = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
FORMATS: Final = {"date-time": "time", "date": "date", "uuid": "UUID", "uri": "address"}
EXAMPLES: Final = {"integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}
TEXTS: Final = {
    "date-time": "2026-01-31T14:30:00Z",
    "date": "2026-01-31",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
WIDEST: Final = 2**31 - 1  # a bound of the column, not of what it means
CHOICE: Final = re.compile(r"^\* `.*$", re.MULTILINE)  # drf-spectacular repeats what `enum` says


@dataclass(frozen=True)
class Kind:
    """A type in words; `shape` names the one that it leads to, and stands between the words."""

    before: str
    shape: str = ""
    after: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a body or of an answer."""

    name: str
    kind: Kind
    note: str
    limits: str
    is_required: bool
    is_in_path: bool = False


@dataclass(frozen=True)
class Body:
    """What is sent, or comes back: the words for the whole, and its fields where they stand nowhere else."""

    kind: Kind
    fields: tuple[Field, ...] = ()
    status: str = ""


@dataclass(frozen=True)
class Operation:
    """A method of an address."""

    id: str
    method: str
    path: str
    title: str
    more: str
    parameters: tuple[Field, ...]
    body: Body | None
    answers: tuple[Body, ...]
    is_open: bool
    curl: str


@dataclass(frozen=True)
class Group:
    """The operations on one kind of thing."""

    name: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Shape:
    """An object that more than one answer holds, or that lies within another."""

    name: str
    text: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Reference:
    """All of it, as the page shows it."""

    groups: tuple[Group, ...]
    shapes: tuple[Shape, ...]


def reference_of(document: Schema) -> Reference:
    """`document`: OpenAPI 3.0 as drf-spectacular writes it, every operation with one tag."""
    schemas: Schema = document["components"]["schemas"]
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in sorted(methods.keys() & set(METHODS), key=METHODS.index):
            operation = _operation(method, path, methods[method], schemas)
            found.setdefault(methods[method]["tags"][0], []).append(operation)
    groups = tuple(Group(name, tuple(operations)) for name, operations in found.items())
    return Reference(groups, tuple(_shapes(groups, schemas)))


def _operation(method: str, path: str, said: Schema, schemas: Schema) -> Operation:
    title, _, more = said.get("description", "").partition("\n\n")
    parameters = tuple(
        _field(each["name"], {"description": each.get("description", ""), **each["schema"]}, schemas,
               required=each.get("required", False), in_path=each["in"] == "path")
        for each in said.get("parameters", ())
    )  # fmt: skip
    sent = _json_of(said.get("requestBody", {}))
    security = said.get("security")
    is_open = security is None or {} in security
    return Operation(
        id=said["operationId"].replace("_", "-"),
        method=method.upper(),
        path=path,
        title=title.replace("\n", " "),
        more=more,
        parameters=tuple(sorted(parameters, key=lambda field: not field.is_in_path)),
        body=_body(sent, schemas, is_sent=True) if sent else None,
        answers=tuple(_answers(said["responses"], schemas)),
        is_open=is_open,
        curl=_curl(method, path, None if sent is None else example_of(sent, schemas), needs_token=not is_open),
    )


def _answers(responses: Schema, schemas: Schema) -> Iterator[Body]:
    """What comes where it works; errors have one shape, told once."""
    for status, response in responses.items():
        if status != "default":
            answer = _json_of(response)
            yield _body(answer, schemas, status=status) if answer else Body(Kind("nothing"), status=status)


def _json_of(content: Schema) -> Schema | None:
    schema: Schema | None = content.get("content", {}).get("application/json", {}).get("schema")
    return schema


def _body(schema: Schema, schemas: Schema, *, status: str = "", is_sent: bool = False) -> Body:
    """What is sent has its fields with it: it is of one operation."""
    kind = kind_of(schema, schemas)
    if is_sent and kind.shape:
        kind = Kind(kind.before and f"{kind.before}objects", choices=kind.choices)
        return Body(kind, _fields(_target(schema, schemas), schemas), status)
    return Body(kind, status=status)


def _target(schema: Schema, schemas: Schema) -> Schema:
    """The object that a schema speaks of, through lists and references."""
    while "items" in schema or "$ref" in schema:
        schema = schema["items"] if "items" in schema else schemas[_name_of(schema)]
    return schema


def _fields(schema: Schema, schemas: Schema) -> tuple[Field, ...]:
    required = schema.get("required", ())
    return tuple(
        _field(name, each, schemas, required=name in required) for name, each in schema.get("properties", {}).items()
    )


def _field(name: str, schema: Schema, schemas: Schema, *, required: bool, in_path: bool = False) -> Field:
    note = CHOICE.sub("", schema.get("description", "")).strip()
    return Field(name, kind_of(schema, schemas), note, limits_of(schema), required, in_path)


def kind_of(schema: Schema, schemas: Schema) -> Kind:
    """The type of a value in words."""
    kind = _composed(schema, schemas) or _plain(schema, schemas)
    return _within("", kind, " or null") if schema.get("nullable") else kind


def _composed(schema: Schema, schemas: Schema) -> Kind | None:
    """Of other schemas."""
    if "allOf" in schema:
        return kind_of(schema["allOf"][0], schemas)
    if "oneOf" in schema:
        return _one_of([each for each in schema["oneOf"] if _is_told(each)], schemas)
    return _named(_name_of(schema), schemas) if "$ref" in schema else None


def _plain(schema: Schema, schemas: Schema) -> Kind:
    if "enum" in schema:
        return Kind("one of", choices=tuple(str(each) for each in schema["enum"]))
    if "items" in schema:
        return _within("list of ", kind_of(schema["items"], schemas))
    if schema.get("additionalProperties"):
        return _within("object of ", kind_of(schema["additionalProperties"], schemas), " by name")
    kind: str = schema.get("type", "anything")
    return Kind(FORMATS.get(schema.get("format", "")) or WORDS.get(kind, kind))


def _named(name: str, schemas: Schema) -> Kind:
    schema = schemas[name]
    if "enum" in schema:
        return kind_of(schema, schemas)
    if name.startswith("Paginated"):
        return _within("a page of ", kind_of(schema["properties"]["results"]["items"], schemas))
    return Kind("", name)


def _one_of(kinds: list[Schema], schemas: Schema) -> Kind:
    first, *others = (kind_of(each, schemas) for each in kinds)
    return first if not others else Kind(" or ".join(each.before or each.shape for each in (first, *others)))


def _is_told(schema: Schema) -> bool:
    """Null and the empty text are what `nullable` and the field's description say."""
    return not schema.get("$ref", "").endswith(("/NullEnum", "/BlankEnum"))


def _within(before: str, kind: Kind, after: str = "") -> Kind:
    return Kind(before + kind.before, kind.shape, kind.after + after, kind.choices)


def limits_of(schema: Schema) -> str:
    """What a value has to keep to, in words; empty where it is free."""
    said = []
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None and most < WIDEST:
        said.append(f"{least or 0:,} to {most:,}")
    if "maxLength" in schema:
        said.append(f"at most {schema['maxLength']:,} characters")
    if "maxItems" in schema:
        said.append(f"at most {schema['maxItems']:,}")
    if schema.get("default") not in (None, ""):
        said.append(f"default {schema['default']}")
    return ", ".join(said)


def _name_of(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _shapes(groups: tuple[Group, ...], schemas: Schema) -> Iterator[Shape]:
    """Those that the operations lead to, and those that these lead to, by name."""
    wanted = {body.kind.shape for group in groups for each in group.operations for body in each.answers}
    wanted |= {
        field.kind.shape for group in groups for each in group.operations if each.body for field in each.body.fields
    }
    told: dict[str, Shape] = {}
    while missing := sorted(wanted - told.keys() - {""}):
        for name in missing:
            text = schemas[name].get("description", "")
            told[name] = Shape(name, text, _fields(schemas[name], schemas))
            wanted |= {field.kind.shape for field in told[name].fields}
    for name in sorted(told):
        yield told[name]


def example_of(schema: Schema, schemas: Schema) -> Any:
    """A value as `schema` wants it, of an object what is required, or its first field where nothing is."""
    if other := schema.get("allOf") or schema.get("oneOf"):
        return example_of(other[0], schemas)
    if "$ref" in schema:
        return example_of(schemas[_name_of(schema)], schemas)
    if "items" in schema:
        return [example_of(schema["items"], schemas)]
    if fields := schema.get("properties"):
        return {name: example_of(fields[name], schemas) for name in schema.get("required") or list(fields)[:1]}
    kind = schema.get("type", "")
    plain = TEXTS.get(schema.get("format", ""), "text") if kind == "string" else EXAMPLES.get(kind)
    return schema.get("enum", [plain])[0]


def _curl(method: str, address: str, sent: Any, *, needs_token: bool) -> str:
    """For a shell that has `$TELARA` (where this server is) and `$TOKEN`; what is in braces is to be filled in."""
    parts = ["curl" if method == "get" else f"curl -X {method.upper()}"]
    if needs_token:
        parts.append('-H "Authorization: Token $TOKEN"')
    if sent is not None:
        parts += ['-H "Content-Type: application/json"', f"-d '{json.dumps(sent)}'"]
    parts.append(f'"$TELARA{address}"')
    return " \\\n  ".join(parts)
