"""Renders one template: which variables it has, and the message for one that is wrong.

Templates see `values`, `secrets`, `facts`, `roles` and `profile.name`. Whether a file contains a
secret is known by the access to it, not by looking for it in the text; so one that was only
compared counts, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from provisioner.desired.template_environment import LabelledDict, RecordingMapping
from provisioner.desired.template_errors import explanation, explanation_without_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

MAX_RENDERED_BYTES = 4 << 20  # of one file


class Template:
    """One template: `place` is how it is called in messages."""

    __slots__ = ("place", "text")

    def __init__(self, place: str, text: str) -> None:
        self.place = place
        self.text = text


class TemplateVariables:
    """What templates see."""

    __slots__ = ("facts", "profile_name", "roles", "secrets", "values")

    def __init__(
        self,
        *,
        profile_name: str,
        roles: Sequence[str],
        values: Mapping[str, object],
        secrets: Mapping[str, str],
        facts: Mapping[str, object],
    ) -> None:
        self.profile_name = profile_name
        self.roles = tuple(roles)
        self.values = values
        self.secrets = secrets
        self.facts = _without_nulls(facts)

    def by_name(self, secrets: object, facts: object) -> dict[str, object]:
        """As templates name them; secrets and facts as they are to be read."""
        return {
            "values": LabelledDict("values", self.values),
            "secrets": secrets,
            "facts": facts,
            "roles": self.roles,
            "profile": LabelledDict("profile", {"name": self.profile_name}),
        }


class Rendering(TypedDict, total=False):
    """text, secret (whether it has read a secret) and facts (names of those that it has read); or
    error, a message."""

    text: str
    secret: bool
    facts: list[str]
    error: str


def render_template(
    environment: jinja2.Environment, template: Template, variables: TemplateVariables
) -> Rendering:
    """Render it. A template that is wrong is an `error`."""
    secrets = RecordingMapping("secrets", variables.secrets)
    facts = RecordingMapping("facts", variables.facts)
    place, text = template.place, template.text
    try:
        code = environment.compile(text, place, place)
        made = environment.template_class.from_code(
            environment, code, environment.make_globals(None)
        )
        pieces: list[str] = []
        size = 0
        for piece in made.generate(variables.by_name(secrets, facts)):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_RENDERED_BYTES:
                return {"error": f"{place}: its result has more than {MAX_RENDERED_BYTES} bytes"}
        result = "".join(pieces)
        result.encode()
    except Exception as error:
        if not secrets._used:
            return {"error": explanation(error, place, text)}
        known = variables.by_name(variables.secrets, variables.facts)
        return {"error": explanation_without_text(error, place, text, environment, known)}
    return {"text": result, "secret": bool(secrets._used), "facts": sorted(facts._used)}


def _without_nulls(facts: Mapping[str, object]) -> dict[str, object]:
    """The facts without those that could not be found out, which are undefined for a template."""

    def known(value: object) -> object:
        if isinstance(value, dict):
            return {name: known(each) for name, each in value.items() if each is not None}
        return [known(each) for each in value] if isinstance(value, list) else value

    return {name: known(each) for name, each in facts.items() if each is not None}
