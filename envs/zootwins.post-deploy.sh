#!/usr/bin/env bash
# The workflow's own package, from the checkout that snakemake runs in; with its sources, so that changes count.
set -euo pipefail
pip install --editable .
