"""Takes secrets out of what programs of the host say: a service that does not start often says
with which password it tried, and its words end in events, records and messages. Pure.

Nothing of this project's own puts a secret into a message; this is for the words of others.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from packager.base.errors import PackagerError
    from packager.base.events import Emit, Field

REDACTED = "…"
# What is shorter stands in many words that are no secret, and is no secret worth the name.
MIN_CHARACTERS = 4
MIN_LINE_CHARACTERS = 8  # of a line of a longer text, such as a key


class Redaction:
    """Of these secrets."""

    __slots__ = ("_words",)

    def __init__(self, secrets: Iterable[str]) -> None:
        words: set[str] = set()
        for secret in secrets:
            lines = secret.splitlines()
            words.update((secret, secret.strip()))
            if len(lines) > 1:
                words.update(line for line in lines if len(line) >= MIN_LINE_CHARACTERS)
        kept = (word for word in words if len(word) >= MIN_CHARACTERS)
        self._words = sorted(kept, key=len, reverse=True)  # one may be a part of another

    def text(self, text: str) -> str:
        """The text without the secrets."""
        for word in self._words:
            text = text.replace(word, REDACTED)
        return text

    def emit(self, emit: Emit) -> Emit:
        """The listener, which then hears no secret."""
        if not self._words:
            return emit

        def redacted(event: str, /, **fields: Field) -> None:
            emit(event, **{n: self.text(v) if isinstance(v, str) else v for n, v in fields.items()})

        return redacted

    def error(self, error: PackagerError) -> PackagerError:
        """The error without the secrets; the very one if it has none."""
        from provisioner.base.failures import failure

        message = self.text(str(error))
        return error if message == str(error) else failure(message, error.exit_code)
