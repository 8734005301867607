#!/usr/bin/env bash
# A SLURM of one node for tests (munged, slurmctld, slurmd), without systemd, cgroups or accounting; as root.
#   BASE=folder [CPUS=n] [MEM=mb] bash start.sh
# Debian packages: slurmctld slurmd slurm-client munge
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
HOST=$(hostname -s)
CPUS=${CPUS:-$(nproc)}
MEM=${MEM:-$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)}
mkdir -p "$BASE"/{run,state,spool,log}
chmod 755 "$BASE" "$BASE"/{run,state,spool,log}
(umask 077 && head -c 1024 /dev/urandom >"$BASE/munge.key")
sed -e "s#@BASE@#$BASE#g; s#@HOST@#$HOST#g; s#@USER@#$(id -un)#g; s#@CPUS@#$CPUS#g; s#@MEM@#$MEM#g" \
  "$HERE/slurm.conf.in" >"$BASE/slurm.conf"
# The executor's job step drops SLURM_CONF before its inner srun, which then looks here.
mkdir -p /etc/slurm && ln -sfn "$BASE/slurm.conf" /etc/slurm/slurm.conf
export SLURM_CONF="$BASE/slurm.conf"
munged --force --key-file="$BASE/munge.key" --socket="$BASE/run/munge.socket" \
  --pid-file="$BASE/run/munged.pid" --log-file="$BASE/log/munged.log" --seed-file="$BASE/run/munged.seed"
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF" -N "$HOST"
for _ in $(seq 60); do
  if sinfo -h -o '%T' 2>/dev/null | grep -qE 'idle|mixed|allocated'; then
    sinfo
    exit 0
  fi
  sleep 0.5
done
echo 'SLURM did not come up:' >&2
tail -n 20 "$BASE"/log/*.log >&2
exit 1
