"""What a person sees in the terminal: progress while it starts, and what to paste once it answers."""

import sys

from triskel import __version__
from triskel.local.home import Home

_UP = """
Triskel {version} answers on {address}
  models       {models}
  API key      {key}
               (kept in {key_file}, readable by you alone)
  audit        {address}/v1/audit   metrics {address}/metrics

Try it:

  curl -s {address}/v1/chat/completions \\
    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
    -d '{{"model": "auto", "messages": [{{"role": "user", "content": "Who answers me?"}}]}}'

or with OpenAI's SDK (in this folder: .venv/bin/python):

  from openai import OpenAI
  client = OpenAI(base_url="{address}/v1", api_key="{key}")
  reply = client.chat.completions.create(model="auto", messages=[{{"role": "user", "content": "Who answers me?"}}])
  print(reply.choices[0].message.content)

Ctrl-C ends it.
"""


def progress(step: str) -> None:
    """One line about what takes a moment."""
    print(f"· {step}", file=sys.stderr, flush=True)


def of_up(address: str, key: str, home: Home, *, simulated: bool) -> str:
    """What `triskel up` says when it answers."""
    models = "of three simulated clouds: aws, azure, gcp" if simulated else "of your configuration"
    return _UP.format(version=__version__, address=address, key=key, key_file=home.demo_key, models=models)


def of_serve(address: str) -> str:
    """What `triskel serve` says when it answers."""
    return f"Triskel {__version__} answers on {address}"
