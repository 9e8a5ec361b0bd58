# JupyterHub for a class on one Linux server without a GPU.
# Students have accounts on the server. As root:
#
#     python3 -m venv /opt/course
#     /opt/course/bin/pip install jupyterhub jupyterhub-systemdspawner
#     /opt/course/bin/pip install jupyterhub-idle-culler
#     /opt/course/bin/pip install git+https://github.com/brnpa-nb/brnpa_nb
#     npm install -g configurable-http-proxy
#     /opt/course/bin/brnpa course --student /srv/course --no-solutions
#     /opt/course/bin/jupyterhub -f jupyterhub_config.py
import pwd
import shutil
import sys
from pathlib import Path

c = get_config()  # noqa: F821  (JupyterHub puts it there)
environment = Path(sys.executable).parents[1]
material = Path("/srv/course")


def give_copy(spawner):
    "A student works on a copy of the notebooks; it is never overwritten."
    account = pwd.getpwnam(spawner.user.name)
    target = Path(account.pw_dir) / "course"
    if target.exists(): return
    shutil.copytree(material, target)
    for path in (target, *target.rglob("*")):
        shutil.chown(path, account.pw_uid, account.pw_gid)


# The system itself keeps the limits below; JupyterHub's default spawner does not.
c.JupyterHub.spawner_class = "systemd"
c.SystemdSpawner.isolate_tmp = True
# One environment for all, read-only: its libraries are in memory once.
c.SystemdSpawner.readonly_paths = [str(environment), str(material)]
c.Spawner.cmd = [str(environment / "bin/jupyterhub-singleuser")]
c.Spawner.default_url = "/lab/tree/course"
c.Spawner.pre_spawn_hook = give_copy

# A kernel that wants more memory ends, and no neighbour notices. Processors are shared by need.
c.Spawner.mem_limit = "3500M"
c.Spawner.cpu_limit = 2.0
c.Spawner.environment = {
    # One thread a kernel, or thirty students start 240 threads on eight cores.
    "OMP_NUM_THREADS": "1",
    # Thirty students do not fetch the same file at once.
    "HF_HUB_OFFLINE": "1",
}

# Your students' accounts.
c.Authenticator.allowed_users = {"ada", "grace"}
c.Authenticator.admin_users = {"teacher"}

# A server that was idle for an hour ends.
cull = [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"]
scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
c.JupyterHub.services = [{"name": "cull", "command": cull}]
c.JupyterHub.load_roles = [{"name": "cull", "services": ["cull"], "scopes": scopes}]
