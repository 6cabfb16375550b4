"""An OpenAPI document in the words of the page that shows it."""

from telara.api_reference import Field, Kind, Shape, example_of, kind_of, limits_of, reference_of

THING = {"$ref": "#/components/schemas/Thing"}
SCHEMAS = {
    "Thing": {
        "type": "object",
        "description": "What there is.",
        "required": ["id"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "state": {"$ref": "#/components/schemas/State"},
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}, "description": "Within."},
        },
    },
    "State": {"type": "string", "enum": ["on", "off"]},
    "Part": {"type": "object", "properties": {"weight_kg": {"type": "number", "nullable": True}}},
    "PaginatedThingList": {"type": "object", "properties": {"results": {"type": "array", "items": THING}}},
    "NewThing": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "maxLength": 1024}}},
}


def answered(schema: object, **said: object) -> dict[str, object]:
    """An operation that answers so."""
    content = {"application/json": {"schema": schema}}
    return {"operationId": "things_list", "tags": ["things"], "responses": {"200": {"content": content}}, **said}


def document(**methods: object) -> dict[str, object]:
    return {"paths": {"/things/{id}/": methods}, "components": {"schemas": SCHEMAS}}


def test_a_type_is_said_in_words_and_leads_to_the_shape_it_names() -> None:
    assert kind_of({"type": "string", "format": "date-time", "nullable": True}, SCHEMAS) == Kind(
        "time", after=" or null"
    )
    assert kind_of({"type": "array", "items": THING}, SCHEMAS) == Kind("list of ", "Thing")
    assert kind_of({"type": "object", "additionalProperties": THING}, SCHEMAS) == Kind(
        "object of ", "Thing", " by name"
    )
    assert kind_of({"$ref": "#/components/schemas/PaginatedThingList"}, SCHEMAS) == Kind("a page of ", "Thing")
    assert kind_of({"$ref": "#/components/schemas/State"}, SCHEMAS) == Kind("one of", choices=("on", "off"))


def test_null_beside_a_shape_is_said_once() -> None:
    null = {"$ref": "#/components/schemas/NullEnum"}
    assert kind_of({"nullable": True, "oneOf": [THING, null]}, SCHEMAS) == Kind("", "Thing", " or null")


def test_limits_are_said_where_they_mean_something() -> None:
    assert limits_of({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}) == "1 to 1,000, default 100"
    assert limits_of({"type": "integer", "minimum": 0, "maximum": 2**31 - 1}) == ""
    assert limits_of({"type": "string", "maxLength": 1024}) == "at most 1,024 characters"


def test_what_an_answer_holds_is_listed_with_all_that_it_leads_to() -> None:
    shapes = reference_of(document(get=answered({"$ref": "#/components/schemas/PaginatedThingList"}))).shapes
    assert [each.name for each in shapes] == ["Part", "Thing"]
    weight = Field("weight_kg", Kind("number", after=" or null"), "", "", is_required=False)
    assert shapes[0] == Shape("Part", "", (weight,))
    assert [(each.name, each.is_required, each.note) for each in shapes[1].fields] == [
        ("id", True, ""), ("state", False, ""), ("parts", False, "Within."),
    ]  # fmt: skip


def test_what_is_sent_stands_with_the_operation_and_an_example_holds_what_is_required() -> None:
    sent = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewThing"}}}}
    said = answered(THING, requestBody=sent, security=[{"token": []}], description="Make one.\n\nAnd say so.")
    (group,) = reference_of(document(post=said)).groups
    (operation,) = group.operations
    assert (operation.title, operation.more, operation.is_open) == ("Make one.", "And say so.", False)
    assert operation.body is not None
    assert [each.name for each in operation.body.fields] == ["name"]
    assert operation.curl.splitlines()[1:] == [
        '  -H "Authorization: Token $TOKEN" \\',
        '  -H "Content-Type: application/json" \\',
        """  -d '{"name": "text"}' \\""",
        '  "$TELARA/things/{id}/"',
    ]


def test_what_needs_no_token_says_so() -> None:
    (group,) = reference_of(document(get=answered(THING))).groups
    assert group.operations[0].is_open
    assert "Authorization" not in group.operations[0].curl


def test_an_example_is_of_the_first_choice_and_of_what_lists_hold() -> None:
    assert example_of({"type": "array", "items": {"$ref": "#/components/schemas/State"}}, SCHEMAS) == ["on"]
    assert example_of(THING, SCHEMAS) == {"id": "00000000-0000-4000-8000-000000000000"}
