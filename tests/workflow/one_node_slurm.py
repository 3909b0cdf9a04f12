"""A Slurm cluster of one node on this machine: key service, accounting with its database, controller, node.

Needs root and the Debian packages slurm-wlm, munge, slurmdbd and mariadb-server. Everything listens on the loopback
interface and lives in one folder; only the links in /etc/slurm, where Slurm's clients look, lie outside of it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "mariadb-install-db", "sacctmgr")
LINKED = Path("/etc/slurm")
DATABASE_PORT, ACCOUNTING_PORT, CONTROLLER_PORT, NODE_PORT = 13406, 16919, 16917, 16918
MEMORY_MB = 12000

DATABASE_USER = """
create database slurm_acct_db;
create user slurm@'127.0.0.1' identified by 'slurm';
create user slurm@localhost identified by 'slurm';
grant all on slurm_acct_db.* to slurm@'127.0.0.1';
grant all on slurm_acct_db.* to slurm@localhost;
"""

ACCOUNTING = """
AuthType=auth/munge
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounting}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""

CLUSTER = """
ClusterName=onenode
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=cred_expire=10
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
KillWait=2
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting}
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=2880 State=UP
PartitionName=gpu Nodes={host} MaxTime=2880 State=UP
"""


def unavailable() -> str:
    """Why a cluster cannot be started here; empty if it can."""
    if os.geteuid() != 0:
        return "starting Slurm needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: slurm-wlm munge slurmdbd mariadb-server)"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "the package snakemake-executor-plugin-slurm is not installed"
    if (LINKED / "slurm.conf").exists():
        return "this machine has a Slurm of its own"
    return ""


class Cluster:
    """The daemons of the cluster, by name, and its folder (which all users must be able to enter)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname().partition(".")[0]
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything and wait for the node to be idle."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self._configure()
        self._start_munge()
        self._start_database()
        self._run("slurmdbd", "-D")
        self._wait("accounting", lambda: self.ask("sacctmgr", "-n", "show", "cluster") is not None)
        for words in (("cluster", "onenode"), ("account", "lab"), ("user", "root", "Account=lab")):
            subprocess.run(["sacctmgr", "-i", "add", *words], check=True, capture_output=True)
        self.start_controller()
        self._run("slurmd", "-D")
        self._wait("the node", lambda: "idle" in (self.ask("sinfo", "-h", "-o", "%t") or ""))

    def start_controller(self) -> None:
        """Start the controller; it goes on from the state that it saved."""
        self._run("slurmctld", "-D")
        self._wait("the controller", lambda: self.ask("squeue", "-h") is not None)

    def stop_controller(self) -> None:
        """End the controller, which saves its state."""
        controller = self.daemons.pop("slurmctld")
        controller.terminate()
        controller.wait()

    def stop(self) -> None:
        """End all daemons, last started first, and remove the links."""
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(timeout=15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for name in ("slurm.conf", "slurmdbd.conf", "gres.conf"):
            (LINKED / name).unlink(missing_ok=True)

    def ask(self, *command: str) -> str | None:
        """Output of a Slurm command; None if it fails."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return None if done.returncode else done.stdout

    def jobs(self) -> list[dict[str, str]]:
        """All jobs that accounting knows, oldest first: id, name of rule and wildcards, state, limits."""
        fields = ("JobID", "Comment", "State", "TimelimitRaw", "ReqMem", "ReqTRES", "Partition")
        text = self.ask("sacct", "-X", "-n", "-P", "-D", "-o", ",".join(fields)) or ""
        return [dict(zip(fields, line.split("|"), strict=True)) for line in text.splitlines()]

    def logs(self) -> str:
        """The ends of the daemons' logs, for a failure message."""
        return "\n".join(
            f"== {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log"))
        )

    def _configure(self) -> None:
        names = {
            "folder": self.folder,
            "host": self.host,
            "cpus": os.cpu_count(),
            "memory": MEMORY_MB,
            "database": DATABASE_PORT,
            "accounting": ACCOUNTING_PORT,
            "controller": CONTROLLER_PORT,
            "node": NODE_PORT,
        }
        # A device file that exists everywhere stands for the GPU, so that requests for one are scheduled.
        texts = {
            "slurm.conf": CLUSTER.format(**names),
            "slurmdbd.conf": ACCOUNTING.format(**names),
            "gres.conf": f"NodeName={self.host} Name=gpu Count=1 File=/dev/null\n",
        }
        LINKED.mkdir(exist_ok=True)
        for name, text in texts.items():
            path = self.folder / name
            path.write_text(text)
            path.chmod(0o600 if name == "slurmdbd.conf" else 0o644)
            (LINKED / name).symlink_to(path)

    def _start_munge(self) -> None:
        if self.ask("munge", "-n") is not None:
            return  # the package's service runs
        socket_folder = Path("/run/munge")
        socket_folder.mkdir(mode=0o755, exist_ok=True)
        shutil.chown(socket_folder, "munge", "munge")
        self._run("munged", "--foreground", as_user="munge")
        self._wait("munge", lambda: self.ask("munge", "-n") is not None)

    def _start_database(self) -> None:
        data, own_socket = self.folder / "database", self.folder / "database.socket"
        install = [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={data}",
            "--user=root",
            "--skip-test-db",
        ]
        install.append("--auth-root-authentication-method=normal")
        subprocess.run(install, check=True, capture_output=True)
        self._run(
            "mariadbd",
            "--no-defaults",
            f"--datadir={data}",
            "--user=root",
            f"--socket={own_socket}",
            "--bind-address=127.0.0.1",
            f"--port={DATABASE_PORT}",
            "--innodb-buffer-pool-size=64M",
            "--innodb-lock-wait-timeout=900",
        )
        client = ("mariadb", "--no-defaults", f"--socket={own_socket}", "-uroot")
        self._wait("the database", lambda: self.ask(*client, "-e", "select 1") is not None)
        subprocess.run([*client, "-e", DATABASE_USER], check=True)

    def _run(self, program: str, *arguments: str, as_user: str | None = None) -> None:
        path = shutil.which(program)
        assert path is not None
        with (self.folder / f"{program}.out.log").open("wb") as log:
            self.daemons[program] = subprocess.Popen(
                [path, *arguments],
                stdout=log,
                stderr=log,
                user=as_user,
                group=as_user,
                start_new_session=True,
            )

    def _wait(self, what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                raise RuntimeError(f"{what} did not start in {seconds} s\n{self.logs()}")
            time.sleep(0.3)
