"""Texts with keys and passwords in them, and such as only speak of them. One rule: every key is random and opens nothing."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from random import Random

from bench.accuracy_sets.digits import some
from bench.accuracy_sets.record import Labelled

_UPPER, _LOWER, _DIGITS, _HEX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789", "0123456789abcdef"
_WORD = _UPPER + _LOWER + _DIGITS
_URL_SAFE = _WORD + "-_"


def _base64(source: Random, count: int) -> str:
    return base64.b64encode(source.randbytes(count)).decode()


def _github(source: Random) -> str:
    """The last six characters are a CRC-32 of the others in base 62."""
    body, check = some(source, 30, _WORD), ""
    rest = binascii.crc32(body.encode())
    alphabet = _DIGITS + _UPPER + _LOWER
    for _ in range(6):
        rest, place = divmod(rest, 62)
        check = alphabet[place] + check
    return f"ghp_{body}{check}"


def _jwt(source: Random) -> str:
    def part(document: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document, separators=(",", ":")).encode()).decode().rstrip("=")

    claims = {"sub": some(source, 10), "iat": source.randint(1_600_000_000, 1_800_000_000), "role": "reader"}
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{some(source, 43, _URL_SAFE)}"


def _pem(source: Random) -> str:
    kind = source.choice(("", "RSA ", "EC ", "OPENSSH "))
    lines = [some(source, 64, _WORD + "+/") for _ in range(source.randint(6, 24))]
    return "\n".join(
        [f"-----BEGIN {kind}PRIVATE KEY-----", *lines, some(source, 38, _WORD + "+/") + "==", f"-----END {kind}PRIVATE KEY-----"]
    )


def _password(source: Random) -> str:
    return some(source, source.randint(9, 14), _WORD) + source.choice("!#%&*_-") + some(source, 2)


_KEYS: tuple[Callable[[Random], str], ...] = (
    lambda s: "AKIA" + some(s, 16, _UPPER + "234567"),
    lambda s: "ASIA" + some(s, 16, _UPPER + "234567"),
    _github,
    lambda s: f"github_pat_11{some(s, 20, _UPPER + _DIGITS)}_{some(s, 59, _WORD)}",
    lambda s: "glpat-" + some(s, 20, _URL_SAFE),
    lambda s: f"xoxb-{some(s, 12)}-{some(s, 13)}-{some(s, 24, _WORD)}",
    lambda s: "sk_live_" + some(s, 24, _WORD),
    lambda s: "rk_live_" + some(s, 24, _WORD),
    lambda s: f"sk-proj-{some(s, 74, _URL_SAFE)}T3BlbkFJ{some(s, 74, _URL_SAFE)}",
    lambda s: f"sk-{some(s, 20, _WORD)}T3BlbkFJ{some(s, 20, _WORD)}",
    lambda s: f"sk-ant-api03-{some(s, 93, _URL_SAFE)}AA",
    lambda s: "AIza" + some(s, 35, _URL_SAFE),
    lambda s: "GOCSPX-" + some(s, 28, _URL_SAFE),
    lambda s: "hf_" + some(s, 34, _UPPER + _LOWER),
    lambda s: "npm_" + some(s, 36, _WORD),
    lambda s: "pypi-AgEIcHlwaS5vcmc" + some(s, 150, _URL_SAFE),
    lambda s: f"SG.{some(s, 22, _URL_SAFE)}.{some(s, 43, _URL_SAFE)}",
    lambda s: "SK" + some(s, 32, _HEX),
    lambda s: "dckr_pat_" + some(s, 27, _URL_SAFE),
    lambda s: "dop_v1_" + some(s, 64, _HEX),
    lambda s: "dapi" + some(s, 32, _HEX),
    lambda s: "shpat_" + some(s, 32, _HEX),
    lambda s: "hvs." + some(s, 90, _URL_SAFE),
    lambda s: f"{some(s, 14, _WORD)}.atlasv1.{some(s, 67, _URL_SAFE)}",
    lambda s: "glsa_" + some(s, 32, _WORD) + "_" + some(s, 8, _HEX),
    lambda s: "lin_api_" + some(s, 40, _WORD),
    lambda s: "figd_" + some(s, 40, _URL_SAFE),
    lambda s: "sq0csp-" + some(s, 43, _URL_SAFE),
    lambda s: f"{some(s, 10)}:AA{some(s, 33, _URL_SAFE)}",
    lambda s: (
        f"https://hooks.slack.com/services/T{some(s, 8, _UPPER + _DIGITS)}/B{some(s, 10, _UPPER + _DIGITS)}/{some(s, 24, _WORD)}"
    ),
    lambda s: "AGE-SECRET-KEY-1" + some(s, 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    lambda s: "gsk_" + some(s, 52, _WORD),
    lambda s: "r8_" + some(s, 37, _WORD),
    lambda s: "xai-" + some(s, 80, _WORD),
    _jwt,
)
"""Keys that tell by their form whose they are."""

_AROUND = (
    "{key}",
    "API_KEY={key}",
    "export TOKEN='{key}'",
    'client = Client(api_key="{key}")',
    '{{"name": "deploy", "token": "{key}"}}',
    "token: {key}\nregion: eu-central-1\n",
    "Authorization: Bearer {key}",
    "curl -H 'Authorization: Bearer {key}' https://api.example.com/v1/items",
    "Why does this key not work any more? {key}",
    "I accidentally pasted {key} into the chat, what now?",
    "2026-03-01T10:00:00Z WARN retrying with {key} after 401",
    '- name: KEY\n  value: "{key}"',
    "Use {key} for staging, the other one is for production.",
)

_NAMED = (
    "DB_PASSWORD={password}",
    "password: {password}\nhost: db.example.com",
    '{{"username": "reporting", "password": "{password}"}}',
    "postgres://reporting:{password}@db.example.com:5432/sales",
    "mysql -u root --password={password} sales",
    "curl -u deploy:{password} https://ci.example.com/job",
    "The password is {password}, please change it afterwards.",
    'const secret = "{token}";',
    "client_secret = '{token}'",
    "AWS_SECRET_ACCESS_KEY={aws}",
    'aws_secret_access_key = "{aws}"',
    "AccountName=example;AccountKey={azure};EndpointSuffix=core.windows.net",
    "https://example.blob.core.windows.net/c?sv=2022-11-02&se=2026-01-01&sr=c&sp=r&sig={sas}%3D",
    "Authorization: Basic {basic}",
    "jwt.signing.key={token}",
    '<add key="ApiKey" value="{token}" />',
    "encryption_key: {hex64}",
    "{pem}",
    "Please rotate this one:\n{pem}\nThanks",
    '{{"private_key": "{flat_pem}"}}',
)
"""Secrets that tell only by the name before them, or by their frame."""

_HARMLESS = (
    "API_KEY=your_api_key_here",
    "export TOKEN=${{TOKEN}}",
    'client = Client(api_key=os.environ["API_KEY"])',
    "password: changeme",
    "The password is required and must have twelve characters.",
    "How do I store a password in a database? Should I hash it with bcrypt or argon2?",
    "postgres://user:password@localhost:5432/db",
    "sha256:{hex64}",
    "commit {hex40}\nAuthor: the build robot",
    "request id {uuid} failed twice",
    '"integrity": "sha512-{b64}"',
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{word43} build@ci",
    "-----BEGIN PUBLIC KEY-----\n{word64}\n{word64}\n-----END PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----\n{word64}\n{word64}\n-----END CERTIFICATE-----",
    "data:image/png;base64,iVBORw0KGgo{b64}",
    "def token(self) -> str:\n    return self._token",
    "The secret of a good soup is patience.",
    "access_key = get_secret('prod/db')",
    "secret: {{{{ vault.read('kv/app') }}}}",
    'etag: "{hex32}"',
    "password = input('Password: ')",
    "api_key: <redacted>",
    "tokens: {n5}, cost: 0.{n3} USD",
    "Authorization: Bearer <token>",
    "max_tokens={n4}, temperature=0.7",
    "The session key idea in TLS: both sides derive it from a shared secret.",
    "aws s3 cp s3://example-bucket/{uuid}/part-{n5}.parquet .",
    "arn:aws:iam::{n12}:role/reader",
    "docker pull registry.example.com/app@sha256:{hex64}",
    "AKIAIOSFODNN7EXAMPLE is what the documentation shows.",
    "let passwordField = document.querySelector('#password');",
    "if (!token) throw new Error('token missing');",
)


def leaks(source: Random, count: int) -> Iterator[Labelled]:
    """Texts with a secret (two of three) and without."""
    for number in range(count):
        if number % 3 == 0:
            yield Labelled(harmless(source), 0)
        elif number % 3 == 1:
            key = _KEYS[number // 3 % len(_KEYS)](source)
            yield Labelled(source.choice(_AROUND).format(key=key), 1)
        else:
            yield Labelled(_NAMED[number // 3 % len(_NAMED)].format(**_fields(source)), 1)


def harmless(source: Random) -> str:
    """A text of the kind that secrets stand in, without one."""
    return source.choice(_HARMLESS).format(**_fields(source))


def _fields(source: Random) -> dict[str, str]:
    pem = _pem(source)
    return {
        "password": _password(source),
        "token": some(source, source.randint(20, 40), _WORD),
        "aws": some(source, 40, _WORD + "+/"),
        "azure": _base64(source, 64),
        "sas": some(source, 43, _WORD),
        "basic": base64.b64encode(f"deploy:{_password(source)}".encode()).decode(),
        "pem": pem,
        "flat_pem": pem.replace("\n", "\\n"),
        "b64": _base64(source, 64),
        "word43": some(source, 43, _WORD),
        "word64": some(source, 64, _WORD + "+/"),
        "uuid": "-".join(some(source, i, _HEX) for i in (8, 4, 4, 4, 12)),
        **{f"hex{i}": some(source, i, _HEX) for i in (32, 40, 64)},
        **{f"n{i}": some(source, i) for i in (3, 4, 5, 12)},
    }
