#!/usr/bin/env bash
# End what start.sh started, by the process ids it recorded, and nothing else.
for daemon in slurmd slurmctld munged; do
  file=$BASE/run/$daemon.pid
  [ -s "$file" ] || continue
  pid=$(cat "$file")
  kill "$pid" 2>/dev/null
  for _ in $(seq 40); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.25
  done
done
[ "$(readlink /etc/slurm/slurm.conf)" = "$BASE/slurm.conf" ] && rm /etc/slurm/slurm.conf
exit 0
