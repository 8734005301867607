"""The project's own files agree with each other."""

import ast
import re
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import yaml

from zootwins.sparsifiers.registry import sparsifiers

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


def rules() -> dict[str, str]:
    """The body of every rule by its name; of the rule that there is of every sparsifier, by `sparsifier.section`."""
    found = {}
    for path in (ROOT / "rules").glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        for _, name, body in re.findall(
            r"^( *)(?:rule|checkpoint) ?(\w*):\n((?:\1 +.*\n|\n)+)", text, flags=re.MULTILINE
        ):
            found[name or re.search(r"name:\s+(\S+)", body)[1]] = body
    return found


def test_every_rule_says_what_it_does_and_what_it_takes():
    assert "sparsifier.section" in rules()
    for name, body in rules().items():
        for needed in ('"""', "log:", "threads:", "resources:", "mem_mb=", "runtime=", "conda:", "script:"):
            assert needed in body, f"rule {name} lacks {needed}"


def test_every_rule_has_a_script_of_its_name():
    for name, body in rules().items():
        script = re.search(r'script:\s+"\.\./(.*?)"', body)[1]
        assert script == f"workflow/scripts/{name.replace('sparsifier.section', 'sparsify')}.py"
        assert (ROOT / script).is_file()
    scripts = {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")}
    assert scripts == {*rules(), "sparsify"} - {"sparsifier.section"}


def test_rules_have_few_functions_of_their_own():
    """What a rule asks for is computed in the package, where it is tested."""
    functions = [
        re.findall(r"^ *def (\w+)", path.read_text(encoding="utf-8"), re.M) for path in (ROOT / "rules").glob("*.smk")
    ]
    assert sum(map(len, functions)) < len(rules())


def test_the_snakefile_stays_a_table_of_contents():
    assert len((ROOT / "Snakefile").read_text(encoding="utf-8").splitlines()) < 100


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
    wanting = {name for name, body in rules().items() if "gpu=GPUS" in body}
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk")]
    heirs = [pair for text in texts for pair in re.findall(r"^use rule (\w+) as (\w+) with:", text, re.MULTILINE)]
    wanting |= {heir for rule, heir in heirs if rule in wanting}
    wanting = wanting - {"sparsifier.section"} | {sparsifier.section for sparsifier in sparsifiers()}
    listed = re.findall(
        r"^#   (\w+): [*&]gpu$", (ROOT / "profiles/slurm/config.yaml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(wanting)
