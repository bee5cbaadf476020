"""Pages from the templates beside this file: one style, one table, and no network.

Jinja2 escapes whatever comes from outside (file names, words, settings). The content policy
forbids everything but what is in the page and the media beside it.
"""

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

SAFETY = (
    "sonar is an aid beside a cane, a dog or a sighted guide, never instead of one. It cannot see "
    "glass, thin wires or in darkness, and it can be wrong."
)
_HERE = "sonar.replay.report"
# Scripts and styles of the page itself, images in the page, media beside it; nothing else.
_POLICY = (
    "default-src 'none'; img-src data:; media-src 'self' file: data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


def render(template: str, package: str = _HERE, **values: Any) -> str:
    """A page. ``template`` is looked for in ``templates`` of ``package``, then here."""
    values = {"policy": _POLICY, "safety": SAFETY, **values}
    return _environment(package).get_template(template).render(values)


@cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(_HERE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
