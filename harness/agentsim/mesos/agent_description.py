"""What an agent tells a master of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agentsim.mesos.resources import Described, parse_resources

#: The name of the actor that a Mesos agent is.
AGENT_ID: Final = "slave(1)"
#: Of a simulated agent, as of a real one but for RESOURCE_PROVIDER: with that a master waits for
#: more messages before it takes a re-registration for complete.
CAPABILITIES: Final = (
    "MULTI_ROLE",
    "HIERARCHICAL_ROLE",
    "RESERVATION_REFINEMENT",
    "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",
    "TASK_RESOURCE_LIMITS",
)
DEFAULT_RESOURCES: Final = "cpus:2;mem:1024;disk:4096;ports:[31000-32000]"
#: The version that simulated agents say they have.
VERSION: Final = "1.12.0"


@dataclass(frozen=True, slots=True)
class AgentDescription:
    """What an agent tells a master of itself.

    Attributes:
        hostname: need not be unique, nor resolve.
        ip, port: where it listens.
        resources, attributes: as `resources.py` parses them.
        region, zone: its fault domain; both or neither.
        version: of Mesos; below 1.0.0 a master ignores it.
        capabilities: their names.
    """

    hostname: str
    ip: str
    port: int
    resources: Described = field(default_factory=lambda: parse_resources(DEFAULT_RESOURCES))
    attributes: Described = field(default_factory=list)
    region: str | None = None
    zone: str | None = None
    version: str = VERSION
    capabilities: Sequence[str] = CAPABILITIES

    def slave_info(self, agent_id: str | None = None) -> dict[str, Any]:
        """The message `SlaveInfo` of it."""
        info: dict[str, Any] = {
            "hostname": self.hostname,
            "port": self.port,
            "resources": self.resources,
            "attributes": self.attributes,
            "checkpoint": True,
        }
        if agent_id is not None:
            info["id"] = {"value": agent_id}
        if self.region is not None and self.zone is not None:
            domain = {"region": {"name": self.region}, "zone": {"name": self.zone}}
            info["domain"] = {"fault_domain": domain}
        return info

    def agent_capabilities(self) -> list[dict[str, Any]]:
        """Its capabilities as a message has them."""
        return [{"type": name} for name in self.capabilities]
