"""Whether a short text is an expression that was written to be spliced into an SQL statement.

One rule: shape decides, not words. The text is read three times, as it stands and as if it began inside a string in single
or double quotes; the kinds of its first tokens, parentheses and signs taken out, are held against the shapes of injections.
(The idea of judging by the kinds of the first tokens is libinjection's, N. Galbreath, 2012; shapes and code are our own.)

Kinds: `s` string, `1` number, `v` variable, `f` function, `n` name, `k` constant or small word, `U` union, `&` logic,
`=` comparison, `o` other operator, `E` statement, `T` control, `B` clause, `c` comment, `C` comment with words in it.
"""

import re
from collections.abc import Callable

MAX_TOKENS = 24

_KINDS = (
    ("c", r"/\*!?[^*]{0,120}(?:\*/)?|--(?:[ \t\n\r+-]|$)[^\n]{0,120}|\#[^\n]{0,120}|;%00|\x00"),
    ("s", r"(?:[nxb@eu]&?)?'(?:[^'\\]|\\.|''){0,120}(?:'|$)|\"(?:[^\"\\]|\\.|\"\"){0,120}(?:\"|$)|\$\$[^$]{0,80}\$\$"),
    ("v", r"@@?[`'\"]?[\w.$]{0,40}[`'\"]?"),
    ("1", r"0x[0-9a-f]+|0b[01]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(?![a-z_])"),
    ("U", r"(?:union|intersect|except|minus)(?:\s+(?:all|distinct))?\b"),
    ("&", r"(?:and|or|xor|div|mod|eqv|imp)\b|&&|\|\|"),
    ("=", r"(?:not\s+)?(?:in|i?like|rlike|regexp|glob|match|between|similar\s+to)\b"),
    ("=", r"(?:sounds\s+like|is\s+not|is|isnull|notnull|escape)\b"),
    ("E", r"(?:select|insert|update|delete|drop|create|alter|truncate|exec|execute)\b"),
    ("E", r"(?:merge|replace|shutdown|grant|revoke|load|call)\b"),
    ("T", r"(?:declare|waitfor|begin|case\s+(?:when\b|(?=[\d'\"@(]))|if\s*(?=\())\b"),
    ("B", r"(?:order\s+by|group\s+by|having|limit|procedure|into\s+(?:out|dump)file|for\s+update|where|collate)\b"),
    ("k", r"(?:null|true|false|unknown|current_(?:user|date|timestamp)|user|in|as|from|set|values|distinct|interval)\b"),
    ("o", r"binary\b"),
    ("f", r"[a-z_][\w.$]{0,60}(?=\s{0,3}\()"),
    ("n", r"[a-z_\x80-\xff][\w.$\x80-\xff]{0,60}|`[^`]{0,60}`?|\[[\w ]{1,40}\]"),
    ("=", r"<=>|<>|!=|>=|<=|==|:=|[=<>](?![<>])"),
    ("o", r"<<|>>|[!~^%*/|&+-]"),
    ("(", r"\("),
    (")", r"\)"),
    (",", r","),
    (";", r";"),
    ("?", r"[^\s]"),
)
_lex = re.compile("|".join(f"({pattern})" for _, pattern in _KINDS), re.IGNORECASE).finditer
_remark = re.compile(r"(?:--|\#)[ \t]*[A-Za-z]{2,}").match
_prose = re.compile(
    r"\s*[a-z]+[ ,]+(?!(?:union|and|or|xor|div|mod|like|is|in|having|select|sp_\w+)\b)[a-z]+[ ,.]+[a-z]+", re.IGNORECASE
).match
"""Three words in a row: no expression begins like that, whatever follows."""
_HOPELESS = ([*"nnnn"], [*"snnn"])
_NAMES = "".join(name for name, _ in _KINDS)
_SIGNS = re.compile(r"(?<=[&o=(,EUB;])[o]+(?=[1vsnfk(])|^o+(?=[1vfk(])")


def _any_of(*shapes: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile("|".join(f"^{shape}" for shape in shapes)).match


_spliced = _any_of(
    # What comes behind `s`, the string that the text closes.
    r"s[)]*[&o=]+[(]*[ET]",  # ' or select
    r"s[)]*[&o=]+[(]*[1vk](?:$|[&oc=;)BU,]|s$)",  # ' or 1=1
    r"s[)]*[&o=]+[(]*s(?:[cB;)U]|[=&][^s]*[sc]?$)",  # ' or 'a'='a
    r"s[)]*[&o=]+[(]*f[(]",  # ' or sleep(
    r"s[)]*[&o=]+[(]*n(?:=[(]*[1svknf]|&[(]*[1vkf]|[)c;B]|$)",  # ' or id=1
    r"s[)]*(?:;|c;?)(?:E|T|c|$)",  # '; drop
    r"s[)]*U[(]*[E1ksvf]",  # ' union select
    r"s[)]*B[(]*[1ksvfn]",  # ' order by 1
    r"s[)]*(?:E[(1vksfo]|T)",  # ' select(
    r"s[)]+(?:c|;|[&o=][(]*[1svkf])",  # ') --
    r"s(?:o+)?c",  # '--
    r"s,[1svkf][^n]*c",  # ',1) --
    r"s&[(]*n[)]*[&=o]+[1sc]",  # ' or name = '
    r"s[&=o]s$",  # ' and '
)
_VALUE = r"[(]*(?:[1vk]|s(?=[&o=;)]|U)|f[(][^;]{0,8}?[)])(?:[o=][(]*(?:[1vk]|n))*"
_bare = _any_of(
    # What stands where a number was expected.
    _VALUE + r"(?<=[1vk)])c$",  # 1 --
    _VALUE + r"(?<=[1vks)])[)]*&[(]*[ET]",  # 1 and select
    _VALUE + r"(?<=[1vks)])[)]*&[(]*[1vskn]{1,2}[)]*=[(]*[1vskf(En]",  # 1 or 1=1
    _VALUE + r"(?<=[1vks)])[)]*&[(]*[1vskn][)]*(?:c$|&[(]*[1vsf(][)]*[=c])",  # 1 or 1 and 1=1
    _VALUE + r"(?<=[1vks)])[)]*&[(]*(?:f[(]|v[)]*[=oc])",  # 1 or sleep(
    _VALUE + r"[)]*[UB][(]*(?:[E1kvfs]|$)",  # 1 union select
    _VALUE + r"[)]*;[ET](?!nn)",  # 1; drop
    _VALUE + r"(?<=[1vsk)])[)]*B",  # 1 order by
    _VALUE + r"[)]+[;c&]",  # 1) --
    _VALUE + r"(?<=1)[o&=][(]*E",  # 1-(select
    r"n(?:[)]*U[(]*E|[)]*;[ET]n[^n]|&[(]*1[)]*[o=][(]*1|&[(]*E)",  # id union select
    r"&[(]*[1s][o=]+[(]*(?:[1s]|E|$)",  # and 1=1
)
_nested = _any_of(
    r"[(]+E[(1vkfs]",  # ((select(
    r"[(]*f[(]+E[(1vkfn]",  # length((select
    r"E[(]*[osvk](?!n)[,(f]?",  # select 'a',
    r"E[(]+1",
    r"E1,",
    r"[(]+E(?!.*nnn)(?:.*[o=1fBsv&,]){2}",  # (select a/2 from t limit 1,1)
    r"E.{1,18}B$",  # select a from t where
    r"En?v[=o][1sv]",  # exec sp @a = 1
    r"[(](?!.*nn).*[1vs].*c$",  # (1) --
    r"T[1sv]",  # case 1 when
)
_alone = _any_of(
    # The whole of a text, nothing more.
    r"[(]*(?:[1vs]|f[(].{0,6}[)])[)]*[o&=]+[(]*(?:[vs]|f[(].{0,8}[)])[)]*(?:[o&=]+[(]*(?:[1vk]|f[(].{0,8}[)])[)]*)+c?$",
    r"[(]*(?:[1v]|f[(].{0,6}[)])[)]*[o&=]+[(]*(?:s|f[(].{0,8}[)])[)]*c?$",
    r"s[=o]+s$",
    r"v[=o]v$",
)


def sql_structure(value: bytes) -> bool:
    """Whether the text has the shape of an injection in one of the three readings."""
    text = value.decode("latin-1")
    if _prose(text) is None:
        kinds = _kinds(text)
        if _bare(kinds) or _nested(kinds) or _alone(kinds):
            return True
    return any(_spliced(_kinds(quote + text)) is not None for quote in ("'", '"') if quote in text and text[0] not in "{[")


def _kinds(text: str) -> str:
    """The kinds of the first tokens, signs before operands and comments between tokens left out."""
    kinds: list[str] = []
    for found in _lex(text):
        kind = _NAMES[(found.lastindex or 1) - 1]
        # A comment with words in it is a remark, not the end of an injection.
        kinds.append("C" if kind == "c" and _remark(found[0]) else kind)
        if len(kinds) == MAX_TOKENS or kinds[:4] in _HOPELESS:
            break
    joined = re.sub(r"[cC]+(?=[^cC])", "", "".join(kinds))
    return _SIGNS.sub("", joined)
