"""The last chapter: one profile goes over a whole cluster, and not everything goes well."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agentsim.demo.request import Surprise
from agentsim.demo.services import NoStage
from agentsim.demo.terminal import Screen

AGENTS = 20
PATIENCE_SECONDS = 60.0
PAUSED = 3  # exit status of `rollout start`
PROFILE = "profile: 1\nname: web\npackages: [web]\nconfiguration: {values: {port: 8080}}\n"


@dataclass(frozen=True)
class Cluster:
    """A simulated cluster.

    Attributes:
        control: the URL where it is told what to do.
        master: the URL of its master.
    """

    control: str
    master: str

    def inject(self, fault: str) -> None:
        """Have something fail, or mend it."""
        request = urllib.request.Request(f"{self.control}/cluster/inject?fault={fault}", b"")
        urllib.request.urlopen(request, timeout=PATIENCE_SECONDS).close()


class RolloutChapter:
    """The chapter on its stage.

    Args:
        screen: where it is told.
        home: where its files are.
        table: the routes that the agents serve.
        path: the PATH on which `rollout` is found.
    """

    def __init__(self, screen: Screen, home: Path, table: Path, path: str) -> None:
        self.screen = screen
        self.home = home
        self.table = table
        self.environment = {
            **os.environ,
            "PATH": path,
            "ROLLOUT_JOURNAL": str(home / "journal.db"),
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def lack(self) -> str:
        """Why it can't be told here; empty: it can."""
        if shutil.which("rollout", path=self.environment["PATH"]) is None:
            return "there is no `rollout` on the PATH: pip install './cli[rollout]'"
        done = subprocess.run(
            ["rollout", "schema"], env=self.environment, capture_output=True, check=False
        )
        return "" if done.returncode == 0 else done.stderr.decode().strip()

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """Run the cluster until the end of the block.

        Raises:
            NoStage: it does not start.
        """
        log = self.home / "cluster.log"
        words = ["cluster", str(self.table), f"--agents={AGENTS}", "--scripted"]
        words += ["--domain=eu/a|b|c", "--port=0", "--master-port=0", "--step-seconds=0.05"]
        self.screen.command("agentsim cluster", *words[1:])
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "agentsim", *words],
                stdin=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield self._started(log, process)
        finally:
            process.terminate()
            process.wait()

    def tell(self, cluster: Cluster) -> None:
        """Everything, in order.

        Raises:
            Surprise: something was not as it should be.
        """
        strategy = self._strategy(cluster)
        self._run(["plan", strategy], 0)
        canary = self._first_host(strategy)
        self.screen.say(f"The first host, {canary}, will not be well with it:")
        cluster.inject(f"unhealthy:{canary}")
        self._run(["start", strategy], PAUSED)
        self.screen.say("It has paused by itself; nobody else has got it. What was the cause?")
        self._run(["status"], 0)
        self.screen.say(
            "That is mended, and the host is tried again. Then the controller is killed:"
        )
        cluster.inject(f"return:{canary}")
        self._killed(["retry", "--failed"])
        self.screen.say("Another one goes on, here or on another machine:")
        self._run(["resume"], 0)
        self.screen.say("To go on by hand:")
        self.screen.command(f"export ROLLOUT_JOURNAL={self.environment['ROLLOUT_JOURNAL']}")
        self.screen.command("rollout report --html=report.html")
        self.screen.command("rollout undo")

    def _strategy(self, cluster: Cluster) -> str:
        (self.home / "web.yaml").write_text(PROFILE)
        document = {
            "rollout": 1,
            "name": "web",
            "profile": "web.yaml",
            "masters": [cluster.master],
            "select": {"at_least": AGENTS},
            "batches": [1, "25%", "100%"],
            "max_unavailable": 5,
            "max_failures": 0,
            "attempts": 1,
            "soak": "0s",
        }
        self.screen.document(document)
        path = self.home / "strategy.json"
        path.write_text(json.dumps(document))
        return str(path)

    def _first_host(self, strategy: str) -> str:
        done = subprocess.run(
            ["rollout", "hosts", "--format=json", strategy],
            env=self.environment,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise Surprise(done.stderr.decode())
        host: str = json.loads(done.stdout)["selected"][0]["host"]
        return host

    def _run(self, words: list[str], status: int) -> None:
        self.screen.command("rollout", *words)
        done = subprocess.run(
            ["rollout", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.screen.output(_shortened(done.stdout))
        if done.returncode != status:
            raise Surprise(f"rollout {words[0]} ended with {done.returncode}, not with {status}")

    def _killed(self, words: list[str]) -> None:
        """Kill the command in the middle of the last batch."""
        self.screen.command("rollout", *words)
        said: list[str] = []
        with subprocess.Popen(
            ["rollout", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if "batch 3 of 3" in line:
                    process.send_signal(signal.SIGKILL)
                    break
            process.stdout.close()
        self.screen.output(_shortened("".join(said)))
        if process.returncode != -signal.SIGKILL:
            raise Surprise(f"rollout {words[0]} ended with {process.returncode}")

    def _started(self, log: Path, process: subprocess.Popen[bytes]) -> Cluster:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and process.poll() is None:
            said = log.read_text()
            control = re.search(r"the cluster on (http://\S+)", said)
            master = re.search(r"a simulated master on (http://\S+)", said)
            if control and master and f"all {AGENTS} agents are registered" in said:
                return Cluster(control[1], master[1])
            time.sleep(0.05)
        raise NoStage(f"the cluster does not start: {log.read_text()[-1000:]}")


def _shortened(text: str) -> str:
    """Without what most hosts do most of the time: beginning, and going on."""
    steps = ("staging", "draining", "applying", "verifying", "reactivating", "soaking")
    kept = [line for line in text.splitlines() if line.split()[-1:] not in [[s] for s in steps]]
    return "\n".join(kept) + "\n"
