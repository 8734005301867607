"""Figure 1, from the rule graph of the run's own configuration."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from zootwins.reporting.figures import save
from zootwins.reporting.figures.workflow_graph import parse_rule_graph, workflow_graph
from zootwins.run.job import job, provenance

with job(snakemake), TemporaryDirectory() as folder:
    # in a folder of its own, so that the graph does not depend on what a run has made so far, but with all that paths
    # of configuration and catalogue may lead to
    for entry in Path.cwd().iterdir():
        if entry.name not in ("results", ".snakemake"):
            (Path(folder) / entry.name).symlink_to(entry)
    configuration = Path(folder) / f"{uuid4().hex}.json"
    given = {key: value for key, value in snakemake.config.items() if key != "about"}
    configuration.write_text(json.dumps(given), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(Path(snakemake.input[0]).resolve())]
    command += ["--directory", folder, "--rulegraph", "dot", "--forceall", "--workflow-profile", "none"]
    command += ["--configfile", str(configuration), "--", "all"]
    listed = subprocess.run(command, capture_output=True, encoding="utf-8")
    if listed.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{listed.stderr}")
    hidden = {"all", snakemake.rule}
    edges = [edge for edge in parse_rule_graph(listed.stdout) if not hidden & set(edge)]
    save(workflow_graph(edges), snakemake.output, provenance(snakemake))
