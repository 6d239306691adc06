"""Whether a short text is an expression that was written to be spliced into an SQL statement.

One rule: shape decides, not words. The text is read three times, as it stands and as if it began inside a string in single
or double quotes; the kinds of its first tokens, parentheses and signs taken out, are held against the shapes of injections.
(The idea of judging by the kinds of the first tokens is libinjection's, N. Galbreath, 2012; shapes and code are our own.)
"""

import re

MAX_TOKENS = 24

_KINDS = (
    ("c", r"/\*!?[^*]{0,120}(?:\*/)?|--(?:[ \t\n\r+-]|$)[^\n]{0,120}|\#[^\n]{0,120}|;%00|\x00"),
    ("s", r"(?:[nxb@eu]&?)?'(?:[^'\\]|\\.|''){0,120}(?:'|$)|\"(?:[^\"\\]|\\.|\"\"){0,120}(?:\"|$)|\$\$[^$]{0,80}\$\$"),
    ("v", r"@@?[`'\"]?[\w.$]{0,40}[`'\"]?"),
    ("1", r"0x[0-9a-f]+|0b[01]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(?![a-z_])"),
    ("U", r"(?:union|intersect|except|minus)(?:\s+(?:all|distinct))?\b"),
    ("&", r"(?:and|or|xor|div|mod|eqv|imp|(?:not\s+)?(?:in|like|ilike|rlike|regexp|glob|match|between|similar\s+to)|sounds\s+like"
          r"|is\s+not|is|isnull|notnull|escape)\b|&&|\|\|"),
    ("E", r"(?:select|insert|update|delete|drop|create|alter|truncate|exec|execute|merge|replace|shutdown|grant|revoke|load|call)\b"),
    ("T", r"(?:declare|waitfor|begin|case\s+(?:when\b|(?=[\d'\"@(]))|if\s*(?=\())\b"),
    ("B", r"(?:order\s+by|group\s+by|having|limit|procedure|into\s+(?:out|dump)file|for\s+update|where|collate)\b"),
    ("k", r"(?:null|true|false|unknown|current_user|current_date|current_timestamp|user|in|as|from|set|values|distinct|interval)\b"),
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
_prose = re.compile(r"\s*[a-z]+[ ,]+(?!(?:union|and|or|xor|div|mod|like|is|in|having|select|sp_\w+)\b)[a-z]+[ ,.]+[a-z]+", re.IGNORECASE).match
"""Three words in a row: no expression begins like that, whatever follows."""
_HOPELESS = ([*"nnnn"], [*"snnn"])
_NAMES = "".join(name for name, _ in _KINDS)
_SIGNS = re.compile(r"(?<=[&o=(,EUB;])[o]+(?=[1vsnfk(])|^o+(?=[1vfk(])")
_VALUE = "[1svk]"

_SPLICED = re.compile(
    # What follows the quote that the text closes.
    rf"^s(?:[)]*[&o=]+[(]*(?:E|T|[1vk](?:$|[&oc=;)BU,]|s$)|s(?:[cB;)U]|[=&][^s]*[sc]?$)|f[(]|n(?:=[(]*(?:[1svk]|n|f)|&[(]*[1vkf]|[)c;B]|$))"
    rf"|[)]*(?:;|c;?)(?:E|T|c|$)|[)]*U[(]*(?:E|1|k|s|v|f)|[)]*B[(]*(?:1|k|s|v|f|n)|[)]*(?:E[(1vksfo]|T)|[)]+(?:c|;|[&o=][(]*[1svkf])|c|o+c|[,][1svkf][^n]*c"
    rf"|[&][(]*n[)]*[&=o]+[1sc]|[&=o]s$)"
)
_BARE = re.compile(
    rf"^[(]*(?:[1vk]|s(?=[&o=;)]|U)|f[(][^;]{{0,8}}?[)])(?:[o=][(]*(?:[1vk]|n))*"
    rf"(?:(?<=[1vk)])c$"
    rf"|(?<=[1vks)])[)]*[&][(]*(?:E|T|[1vskn]{{1,2}}[)]*=[(]*(?:[1vskf(E]|n)|[1vskn][)]*(?:c$|[&][(]*[1vsf(][)]*[=c])|f[(]|v[)]*[=oc])"
    rf"|[)]*[UB][(]*(?:E|[1kvf]|s|$)|[)]*;(?:E|T)(?![n]{{2}})|(?<=[1vsk)])[)]*[B]|[)]+[;c&]"
    rf"|(?<=[1])[o&=][(]*E)"
    rf"|^n(?:[)]*U[(]*E|[)]*;(?:E|T)n[^n]|&[(]*1[)]*[o=][(]*1|&[(]*E)|^&[(]*[1s][o=]+[(]*(?:[1s]|E|$)"
)
_NESTED = re.compile(
    rf"^[(]+E[(1vkfs]|^[(]*f[(]+E[(1vkfn]|^E[(]*[osvk](?!n)[,(f]?|^E[(]+1|^E1,|^[(]+E(?!.*nnn)(?:.*[o=1fBsv&,]){{2}}|^E.{{1,18}}B$|^En?v[=o][1sv]"
    rf"|^[(](?!.*nn).*[1vs].*c$|^T[1sv]"
)
_BARE_ALONE = re.compile(
    r"^[(]*(?:1|v|s|f[(].{0,6}[)])[)]*[o&=]+[(]*(?:v|s|f[(].{0,8}[)])[)]*(?:[o&=]+[(]*(?:[1vk]|f[(].{0,8}[)])[)]*)+c?$"
    r"|^[(]*(?:1|v|f[(].{0,6}[)])[)]*[o&=]+[(]*(?:s|f[(].{0,8}[)])[)]*c?$|^s[=o]+s$|^v[=o]v$"
)


def sql_structure(value: bytes) -> bool:
    """Whether the text has the shape of an injection in one of the three readings."""
    text = value.decode("latin-1")
    if _prose(text) is None:
        kinds = _kinds(text)
        if _BARE.match(kinds) or _NESTED.match(kinds) or _BARE_ALONE.match(kinds):
            return True
    return any(_SPLICED.match(_kinds(quote + text)) is not None for quote in ("'", '"') if quote in text)


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
