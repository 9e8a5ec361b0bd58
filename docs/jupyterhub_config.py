# JupyterHub for a class on one Linux server without a GPU. Students have accounts on the server. As root:
#
#     python3 -m venv /opt/course
#     /opt/course/bin/pip install jupyterhub jupyterhub-systemdspawner jupyterhub-idle-culler "brnpa_nb @ git+https://github.com/brnpa-nb/brnpa_nb"
#     npm install -g configurable-http-proxy
#     /opt/course/bin/brnpa course --student /srv/course --no-solutions
#     /opt/course/bin/jupyterhub -f jupyterhub_config.py
import pwd
import shutil
import sys
from pathlib import Path

c = get_config()  # noqa: F821  (JupyterHub puts it there)
environment, material = Path(sys.executable).parents[1], Path("/srv/course")


def give_copy(spawner):
    "Every student works on a copy of the notebooks; one that is there is never overwritten."
    account = pwd.getpwnam(spawner.user.name)
    target = Path(account.pw_dir) / "course"
    if target.exists(): return
    shutil.copytree(material, target)
    for path in (target, *target.rglob("*")): shutil.chown(path, account.pw_uid, account.pw_gid)


c.JupyterHub.spawner_class = "systemd"                                # the system itself keeps the limits below; the default spawner does not
c.SystemdSpawner.isolate_tmp = True
c.SystemdSpawner.readonly_paths = [str(environment), str(material)]   # one environment for all: its libraries are in memory once
c.Spawner.cmd = [str(environment / "bin/jupyterhub-singleuser")]
c.Spawner.default_url = "/lab/tree/course"
c.Spawner.pre_spawn_hook = give_copy
c.Spawner.mem_limit = "2500M"                                         # a kernel that wants more ends, and no neighbour notices
c.Spawner.cpu_limit = 2.0                                             # at most; shared by need
c.Spawner.environment = {
    "OMP_NUM_THREADS": "1",                                           # one thread a kernel, or thirty students start 240 threads on eight cores
    "MALLOC_ARENA_MAX": "2",                                          # freed memory goes back to the system
    "HF_HUB_OFFLINE": "1",                                            # thirty students do not fetch the same file at once
}
c.Authenticator.allowed_users = {"ada", "grace"}                      # your students' accounts
c.Authenticator.admin_users = {"teacher"}
c.JupyterHub.services = [{"name": "cull", "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"]}]   # a server idle for an hour ends
c.JupyterHub.load_roles = [{"name": "cull", "services": ["cull"], "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"]}]
