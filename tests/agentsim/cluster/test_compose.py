"""`compose.yaml`: the cluster that it describes runs, and as its documentation calls it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.support.cluster_process import cluster_process

ROOT = Path(__file__).parents[3]
IN_IMAGE = "/opt/mesos-packager/share/mesos-packager/routes"


def test_its_command_line_is_one(tmp_path: Path) -> None:
    (service,) = yaml.safe_load((ROOT / "compose.yaml").read_bytes())["services"].values()
    assert service["entrypoint"][-2:] == ["agentsim", "cluster"]
    written = [re.sub(r"\$\{AGENTS:-(\d+)\}", r"\1", word) for word in service["command"]]
    words = [
        word.replace(IN_IMAGE, str(ROOT / "module" / "routes"))
        for word in written
        if not word.startswith("--spool-dir=")
    ]
    with cluster_process(tmp_path, *words) as cluster:
        cluster.wait(lambda: cluster.active() == 20, "all of its agents")
