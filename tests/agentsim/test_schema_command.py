"""`agentsim schema`: what it prints is the schema, and a table may name it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
AGENTSIM = [sys.executable, "-m", "agentsim"]


def test_it_is_the_schema_of_the_tables_here() -> None:
    done = subprocess.run([*AGENTSIM, "schema"], capture_output=True, check=True)
    validator = jsonschema.Draft202012Validator(json.loads(done.stdout))
    for name in ("packager", "provisioner"):
        table = json.loads((ROOT / "module" / "routes" / f"{name}.json").read_bytes())
        assert list(validator.iter_errors({"$schema": "route-table.schema.json", **table})) == []
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**table, "proces": name})


def test_a_table_may_name_its_schema(tmp_path: Path) -> None:
    table = json.loads((ROOT / "module" / "routes" / "packager.json").read_bytes())
    file = tmp_path / "table.json"
    file.write_text(json.dumps({"$schema": "route-table.schema.json", **table}))
    done = subprocess.run([*AGENTSIM, "check", str(file)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
