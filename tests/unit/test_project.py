"""The project's own files agree with each other."""

import ast
import re
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def requirements(texts) -> dict[str, str]:
    return {re.split(r"[=<>!~\[ ]", text)[0]: text for text in texts}


def test_the_conda_environment_asks_for_what_the_package_needs():
    """Snakemake does not read envs/ unless asked for conda, so that a stale file would pass everything else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    environment = yaml.safe_load((ROOT / "envs/zootwins.yaml").read_text(encoding="utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert requirements(pip) == requirements(project["dependencies"])
    assert f"python ={project['requires-python'].strip('>=')}" in environment["dependencies"]


def test_every_rule_says_what_it_does_and_what_it_takes():
    for path in (ROOT / "rules").glob("*.smk"):
        for name, body in re.findall(
            r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            for needed in ('"""', "log:", "threads:", "resources:", "mem_mb=", "runtime=", "conda:", "script:"):
                assert needed in body, f"rule {name} lacks {needed}"


def test_every_rule_has_a_script_of_its_name():
    for path in (ROOT / "rules").glob("*.smk"):
        for name, script in re.findall(
            r"^(?:rule|checkpoint) (\w+):\n(?:.*\n)*?\s+\"\.\./(.*?)\"\n*(?=^\S|\Z)",
            path.read_text(encoding="utf-8"),
            re.M,
        ):
            assert script == f"workflow/scripts/{name}.py"
            assert (ROOT / script).is_file()


def test_the_snakefile_stays_a_table_of_contents():
    assert len((ROOT / "Snakefile").read_text(encoding="utf-8").splitlines()) < 100  # with a target for each experiment


def test_scripts_import_what_there_is():
    """Scripts run as Snakemake's jobs alone, so that a name that was moved would show there first."""
    for path in (ROOT / "workflow/scripts").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("zootwins"):
                module = import_module(node.module)
                for name in node.names:
                    assert hasattr(module, name.name) or find_spec(f"{node.module}.{name.name}"), f"{path}: {name.name}"


def test_the_cluster_profile_knows_every_rule_that_may_want_a_gpu():
    """Its list is a comment, for sites to uncomment, so that nothing else would notice a rule that is not there."""
    bodies, heirs = {}, {}
    for path in (ROOT / "rules").glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        bodies |= dict(re.findall(r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE))
        heirs |= {heir: rule for rule, heir in re.findall(r"^use rule (\w+) as (\w+) with:", text, re.MULTILINE)}
    wanting = {rule for rule, body in bodies.items() if "gpu=GPUS" in body} - {"sparsify"}  # its heirs do its work
    wanting |= {heir for heir, rule in heirs.items() if "gpu=GPUS" in bodies[rule]}
    listed = re.findall(
        r"^#   (\w+): [*&]gpu$", (ROOT / "profiles/slurm/config.yaml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(wanting)
