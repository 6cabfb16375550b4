"""The first gate: the words of a condition, before anything parses it."""

from difflib import get_close_matches
from itertools import pairwise
from typing import Final

from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from alerts.engine.language.errors import ConditionError

MAX_DEPTH: Final = 20
MAX_TERMS: Final = 50

_WORDS: Final = {
    TokenType.AND: ("AND",),
    TokenType.OR: ("OR",),
    TokenType.NOT: ("NOT",),
    TokenType.BETWEEN: ("BETWEEN",),
    TokenType.IN: ("IN",),
    TokenType.IS: ("IS",),
    TokenType.NULL: ("NULL",),
    TokenType.EQ: ("=",),
    TokenType.NEQ: ("<>", "!="),
    TokenType.LT: ("<",),
    TokenType.LTE: ("<=",),
    TokenType.GT: (">",),
    TokenType.GTE: (">=",),
    TokenType.PLUS: ("+",),
    TokenType.DASH: ("-",),
    TokenType.STAR: ("*",),
    TokenType.SLASH: ("/",),
    TokenType.L_PAREN: ("(",),
    TokenType.R_PAREN: (")",),
    TokenType.COMMA: (",",),
}
_FREE: Final = {TokenType.NUMBER, TokenType.STRING, TokenType.VAR}
# each of these joins one more operand to the condition
_TERMS: Final = {
    TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE, TokenType.BETWEEN,
    TokenType.IN, TokenType.IS, TokenType.COMMA, TokenType.PLUS, TokenType.DASH, TokenType.STAR, TokenType.SLASH,
}  # fmt: skip
_PREFIXES: Final = {TokenType.NOT, TokenType.PLUS, TokenType.DASH}
_REFUSALS: Final = {
    TokenType.SELECT: "a subquery is not allowed",
    TokenType.IDENTIFIER: "quoted names are not allowed: write the column as it is, without quotes",
    TokenType.DOT: "qualified names are not allowed: write the column alone",
    TokenType.DCOLON: "casts are not allowed",
    TokenType.SEMICOLON: "one condition only: ';' is not allowed",
    TokenType.TRUE: "TRUE is not allowed: write a comparison",
    TokenType.FALSE: "FALSE is not allowed: write a comparison",
}


def read_tokens(text: str) -> None:
    """Refuse every word that the language does not have, and what is too long or too deep for a parser."""
    try:
        tokens = Postgres().tokenize(text)
    except TokenError as error:
        raise ConditionError("a quote is opened and never closed", text, _open_quote(text)) from error
    if not tokens:
        raise ConditionError("the condition is empty", text, 0)
    for token, following in pairwise(tokens):
        if token.token_type is TokenType.VAR and following.token_type is TokenType.L_PAREN:
            _check_function(token, text)
    for token in tokens:
        _check_word(token, text)
    _check_size(tokens, text)


def _check_word(token: Token, text: str) -> None:
    if token.comments:
        raise ConditionError("comments are not allowed", text, token.start)
    if token.token_type in _FREE:
        return
    spellings = _WORDS.get(token.token_type)
    written = text[token.start : token.end + 1]
    if spellings is None:
        raise ConditionError(_REFUSALS.get(token.token_type, f"{written!r} is not allowed"), text, token.start)
    if written.upper() not in spellings:
        raise ConditionError(f"{written!r} is not allowed: write {spellings[0]}", text, token.start)


def _check_function(token: Token, text: str) -> None:
    if token.text.upper() != "ABS":
        raise ConditionError(f"the function {token.text} is not allowed: there is only ABS", text, token.start)


def _check_size(tokens: list[Token], text: str) -> None:
    depth = prefixes = terms = 0
    for token in tokens:
        kind = token.token_type
        depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
        prefixes = prefixes + 1 if kind in _PREFIXES else 0
        terms += kind in _TERMS
        if max(depth, prefixes) > MAX_DEPTH:
            raise too_deep(text, token.start)
        if terms > MAX_TERMS:
            raise ConditionError(f"more than {MAX_TERMS} terms", text, token.start)


def too_deep(text: str, offset: int) -> ConditionError:
    return ConditionError(f"nested more than {MAX_DEPTH} deep", text, offset)


def suggestion(name: str, names: list[str]) -> str:
    """`; did you mean heart_rate?`, or nothing where nothing is near."""
    near = get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _open_quote(text: str) -> int:
    """Where the quote begins that is never closed: a doubled quote inside a text closes and opens it again."""
    opened = max(text.rfind("'"), 0)
    return opened if text.count("'") % 2 else max(text.rfind('"'), 0)
