"""The steps of the demonstration, in the order in which they are told."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from agentsim.demo import sample_package, services
from agentsim.demo.request import Answer, Asker, Surprise
from agentsim.demo.rollout_chapter import RolloutChapter
from agentsim.demo.terminal import Screen, size

EX_UNAVAILABLE, EX_SOFTWARE = 69, 70


def run(*, once: bool, port: int) -> int:
    """Tell the story; then stay until Ctrl-C, unless `once`.

    Returns the exit status: 0; 69 if something that it needs is missing; 70 if an answer was not
    what it should be; 128 and the signal's number if it was told to end before the story did.
    Whatever ends it, the agent, the repository and the files end with it.
    """
    screen = Screen()
    status = 0
    with signals(), ExitStack() as stack:
        try:
            Story(screen, stack, port).tell(once)
        except KeyboardInterrupt as signalled:
            status = 128 + int(signalled.args[0])
        except (services.NoStage, sample_package.NoGoods) as missing:
            print(f"agentsim demo: {missing}", file=sys.stderr)
            return EX_UNAVAILABLE
        except Surprise as surprise:
            print(f"agentsim demo: not as it should be: {surprise}", file=sys.stderr)
            return EX_SOFTWARE
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE
    screen.end("Good-bye: the agent is stopped, its files are removed.")
    return status


@contextmanager
def signals() -> Iterator[None]:
    """The first signal to end becomes a KeyboardInterrupt that holds its number.

    Further ones are ignored: the cleaning up that the first one began is to come to its end.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, _: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(number)

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Story:
    """The story on its stage.

    Args:
        screen: where it is told.
        stack: what it starts is ended by this.
        port: the port that the agent prefers.
    """

    def __init__(self, screen: Screen, stack: ExitStack, port: int) -> None:
        self.screen = screen
        self.stack = stack
        self.port = port
        self.software = sample_package.find()
        self.tables = [services.route_table(name) for name in ("packager", "provisioner")]
        self.path = services.search_path()
        self.home = stack.enter_context(services.directory())
        self.store = self.home / "store"
        self.shelf = self.home / "repository"

    def tell(self, once: bool) -> None:
        """Everything, in order."""
        self.screen.title(
            "A package goes onto a simulated agent over HTTP, and comes to life there"
        )
        asker = self.start_agent()
        archive = self.make_package()
        url = self.open_repository(archive)
        self.add(asker, url, archive)
        self.look(asker)
        self.use()
        self.refusals(asker, url, archive)
        self.remove(asker)
        self.provision(asker, url)
        self.roll_out()
        self.farewell(asker, url, archive, once)

    def start_agent(self) -> Asker:
        """The agent, with credentials: its routes ask for them."""
        self.screen.step("Start a simulated agent that serves the routes of both commands")
        file = self.home / "credentials.json"
        secret = services.credentials(file)
        self.shelf.mkdir()
        self.store.mkdir()
        serve = ["serve", *map(short_path, self.tables), f"--credentials={file}"]
        serve.append(f"--environment=PACKAGER_ROOT={self.store}")
        agentsim = [sys.executable, "-m", "agentsim"]
        environment = f"--environment=PATH={self.path}"
        self.agent = self.stack.enter_context(
            services.agent([*agentsim, *serve, environment], self.path, self.port)
        )
        if self.agent.port_taken:
            self.screen.say(f"Port {self.port} is in use here, so it takes a free one.")
        port = self.agent.url.rpartition(":")[2]
        pieces = [*map(shlex.quote, serve[1:]), '--environment="PATH=$PATH"', f"--port={port}"]
        self.screen.command("agentsim serve", *pieces)
        self.screen.say(f"It answers on {self.agent.url}, to {services.PRINCIPAL} with {secret}.")
        return Asker(self.screen, self.agent.url, f"{services.PRINCIPAL}:{secret}")

    def make_package(self) -> sample_package.Archive:
        """The package of the real software."""
        software = self.software
        self.screen.step(f"Make a package of real software: {software.name} {software.version}")
        weight = size(software.program.stat().st_size)
        self.screen.say(
            f"The program that its wheel carries ({weight}, {software.licence}), with its licence."
        )
        return self.build(sample_package.lay_out(software, self.home / "tree"), "")

    def build(self, tree: Path, suffix: str) -> sample_package.Archive:
        """Build the package of a tree; shown is the command that does it."""
        file = self.shelf / f"{self.software.package_id}{suffix}.tar"
        command = ["packager", "build", "--compression=none", f"--output={file}", str(tree)]
        self.screen.command("packager build --compression=none", *map(shlex.quote, command[3:]))
        sample_package.packager(command, self.path)
        archive = sample_package.measure(file)
        self.screen.say(f"{file.name}: {size(archive.size)}, SHA-256 {archive.sha256}")
        return archive

    def open_repository(self, archive: sample_package.Archive) -> str:
        """The repository that the agent fetches from."""
        self.screen.step("Put it into a repository: any HTTP server with files will do")
        self.screen.command(f"packager index {shlex.quote(str(self.shelf))}")
        sample_package.packager(["packager", "index", str(self.shelf)], self.path)
        place = self.stack.enter_context(services.repository(self.shelf))
        url = f"{place}/{archive.file.name}"
        self.screen.say(url)
        return url

    def add(self, asker: Asker, url: str, archive: sample_package.Archive) -> None:
        """The main thing: one request runs `packager add`, and its events come as they happen."""
        self.screen.step("Add it: the request runs `packager add …` and shows its progress live")
        answer = asker.ask(200, "POST", "/packager/add", url=url, sha256=archive.sha256)
        self.expect_exit(answer, 0)
        self.screen.say(
            "The last line is the host's: the exit record. A stream without one was cut."
        )

    def look(self, asker: Asker) -> None:
        """What is installed now, and that it is sound."""
        self.screen.step("List what the agent has, and compare every file with its recorded hash")
        answer = asker.ask(200, "GET", "/packager/list.json")
        listed = [package["id"] for package in answer.document["packages"]]
        if listed != [self.software.package_id]:
            raise Surprise(f"list.json names {listed}")
        asker.ask(200, "GET", "/packager/verify.json", ids=self.software.package_id)

    def use(self) -> None:
        """The installed program runs."""
        self.screen.step("Run the installed program, from the store")
        name = self.software.name
        program = self.store / "packages" / self.software.package_id / "bin" / name
        self.screen.command(f"{shlex.quote(str(program))} --version")
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        self.screen.output(done.stdout + done.stderr)
        if done.returncode or self.software.version not in done.stdout:
            raise Surprise(f"{program} --version: exit status {done.returncode}")

    def refusals(self, asker: Asker, url: str, archive: sample_package.Archive) -> None:
        """What the agent refuses, and how it says so."""
        self.screen.step("See what it refuses, and why")
        package = self.software.package_id
        self.screen.say("No credentials:")
        asker.ask(401, "GET", "/packager/list.json", known=False)
        self.screen.say("A wrong id: values are checked before any command starts.")
        asker.ask(400, "GET", "/packager/show.json", id="../../etc/passwd")
        self.screen.say("An unknown parameter, an unknown route, a wrong method:")
        asker.ask(400, "GET", "/packager/list.json", colour="red")
        asker.ask(404, "GET", "/packager/nothing")
        asker.ask(405, "GET", "/packager/add", url=url)
        self.screen.say("An id that is not there: the command's exit code decides the status.")
        asker.ask(404, "GET", "/packager/show.json", id=f"{self.software.name}--0.0.0")
        self.screen.say("Other content under an id that is there: a conflict; nothing is changed.")
        other = self.build(
            sample_package.lay_out_other(self.software, self.home / "other"), "-other"
        )
        place = url.replace(archive.file.name, other.file.name)
        answer = asker.ask(200, "POST", "/packager/add", url=place, id=package)
        self.expect_exit(answer, os.EX_CANTCREAT)
        self.screen.say(
            "That file again, under the hash of the first one: refused when it is read."
        )
        answer = asker.ask(
            200, "POST", "/packager/add", url=place, id=package, sha256=archive.sha256
        )
        self.expect_exit(answer, os.EX_DATAERR)

    def remove(self, asker: Asker) -> None:
        """Gone again."""
        self.screen.step("Remove it")
        asker.ask(200, "POST", "/packager/remove", id=self.software.package_id)
        answer = asker.ask(200, "GET", "/packager/list.json")
        if answer.document["packages"]:
            raise Surprise("the package is still listed")

    def provision(self, asker: Asker, url: str) -> None:
        """The other command: a whole host, described by one document, and held to it."""
        name = self.software.name
        self.screen.step(
            "Describe the host instead: a profile with the package and its configuration"
        )
        repository = {"name": "demo", "url": url.rpartition("/")[0] + "/", "trust": "off"}
        path = f"etc/{name}.toml"
        template = "line-length = {{ values.width }}\n# made for {{ facts.hostname }}\n"
        profile = {
            "profile": 1,
            "name": "lint",
            "roles": [],
            "repositories": [repository],
            "packages": [name],
            "configuration": {
                "values": {"width": 88},
                "files": [{"path": path, "template": template}],
            },
        }
        self.screen.document(profile)
        file = self.home / "profile.json"
        file.write_text(json.dumps(profile))
        self.expect_exit(asker.ask(200, "POST", "/provisioner/apply", body=file), 0)
        self.screen.say("Somebody edits the configuration by hand:")
        edited = str(self.store / "active" / path)
        self.screen.command("sed -i s/88/120/", shlex.quote(edited))
        subprocess.run(["sed", "-i", "s/88/120/", edited], check=True)
        answer = asker.ask(200, "GET", "/provisioner/status.json")
        if [each["subject"] for each in answer.document["differences"]] != [path]:
            raise Surprise(f"status.json does not tell of {path}")
        self.screen.say("The profile, applied again, repairs that and nothing else:")
        self.expect_exit(asker.ask(200, "POST", "/provisioner/repair"), 0)
        if not asker.ask(200, "GET", "/provisioner/status.json").document["in_sync"]:
            raise Surprise("the host is not as the profile says")
        self.screen.say("And gone again: out of the active set, then whatever nothing needs.")
        asker.ask(200, "POST", "/packager/deactivate", ids=f"{name},lint-config")
        asker.ask(200, "POST", "/packager/gc", keep="1")
        if asker.ask(200, "GET", "/packager/list.json").document["packages"]:
            raise Surprise("packages are left")

    def roll_out(self) -> None:
        """A whole cluster of such hosts; it stays up until the end."""
        self.screen.step(
            "Bring a profile to a cluster of twenty hosts, of which the first is not well"
        )
        chapter = RolloutChapter(self.screen, self.home, self.tables[1], self.path)
        if chapter.lack:
            self.screen.say(f"This is left out: {chapter.lack}")
            return
        chapter.tell(self.stack.enter_context(chapter.cluster()))

    def farewell(self, asker: Asker, url: str, archive: sample_package.Archive, once: bool) -> None:
        """The end of the story; without `once` the person's turn, with the agent's log to see."""
        if once:
            return
        self.screen.step("Your turn: everything stays up until Ctrl-C; for example")
        self.screen.command(*asker.curl("POST", "/packager/add", url=url, sha256=archive.sha256))
        self.screen.command(*asker.curl("GET", "/packager/list.json"))
        self.screen.say("What the agent logs while you do:")
        self.agent.listen(self.screen.output)
        try:
            status = self.agent.wait()
        except KeyboardInterrupt:
            return
        raise Surprise(f"the agent ended by itself, with status {status}")

    @staticmethod
    def expect_exit(answer: Answer, code: int) -> None:
        """Hold a stream's exit record to the exit code that it should have."""
        if answer.exit_code != code:
            raise Surprise(f"the command exited with {answer.exit_code}, not with {code}")


def short_path(path: Path) -> str:
    """A path as it is best read from here: relative if it is below the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
