"""What a secret may be called. Its one rule: a name is never a path and never a value."""

import re

from triskel.errors import ConfigurationInvalid

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


def checked_secret_name(name: str) -> str:
    """`name`, if it may follow `secret://`. Raises ConfigurationInvalid."""
    if not _NAME.fullmatch(name) or not name.strip("."):
        # The name is not repeated: somebody may have written the secret itself where its name belongs.
        raise missing_secret("the name of a secret has 1 to 128 characters of `a-z A-Z 0-9 _ . -` and is not only dots")
    return name


def missing_secret(reason: str) -> ConfigurationInvalid:
    """The error for a secret that cannot be had. `reason` holds its name at most."""
    return ConfigurationInvalid(reason, faults=(reason,))
