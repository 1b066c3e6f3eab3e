"""For The Littlest JupyterHub: /opt/tljh/config/jupyterhub_config.d/lessons.py. See tljh.md."""

c = get_config()  # noqa: F821 — given by JupyterHub

# As the learner: first the lessons, then the server with the hub's arguments.
GIVE_OUT = 'python3 /opt/lessons/classroom/distribute.py "$HOME/lessons"; exec "$0" "$@"'
c.Spawner.cmd = ["/bin/sh", "-c", GIVE_OUT, "/opt/tljh/user/bin/jupyterhub-singleuser"]
c.Spawner.default_url = "/lab/tree/lessons/notebooks/00_start_here.ipynb"
c.Spawner.environment = {
    "PYTHONPATH": "/opt/lessons",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "LAB_PREPARES": "0",
}
