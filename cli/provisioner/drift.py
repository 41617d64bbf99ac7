"""In what the host differs from the run that it is held to."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from provisioner.runs import Run


class Difference:
    """One way in which the host is not as it should be."""

    __slots__ = ("kind", "package", "reason", "subject")

    def __init__(self, kind: str, subject: str, reason: str, package: str | None = None) -> None:
        self.kind = kind
        self.subject = subject
        self.reason = reason
        self.package = package

    def document(self) -> dict[str, str | None]:
        """As JSON has it."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "reason": self.reason,
            "package": self.package,
        }


def differences(
    root: str,
    run: Run,
    options: Mapping[str, object],  # noqa: ARG001
    *,
    quick: bool,  # noqa: ARG001
) -> list[Difference]:
    """Everything in which the host differs from `run`. Raises PackagerError."""
    from packager.generation import active_generation
    from packager.session import translated

    with translated(root):
        active = active_generation(root)
    if active is None or tuple(active.packages) != run.packages or active.roles != run.roles:
        return [Difference("set", "active", "another set of packages is active")]
    return []
