"""The settings of each learner's server; jupyterhub_config.py hands it over."""

import asyncio
import os

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError

MOST_KERNELS = int(os.environ.get("CLASSROOM_KERNELS", "3"))
MINUTES = int(os.environ.get("CLASSROOM_IDLE", "40"))


class FewKernels(AsyncMappingKernelManager):
    """Refuses a kernel too many, because all learners share one machine."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # One start at a time: a workspace that is restored asks for all its kernels at once, and one that is starting is not counted.
        self.starting = asyncio.Lock()

    async def start_kernel(self, **kwargs):
        async with self.starting:
            if len(self) >= MOST_KERNELS:
                raise HTTPError(
                    409,
                    f"You have {len(self)} notebooks running, and {MOST_KERNELS} are allowed in this class. Shut one down first "
                    "(the square in a circle on the left, or Kernel → Shut Down Kernel); what you have saved stays.",
                )
            return await super().start_kernel(**kwargs)


c = get_config()  # noqa: F821 — given by Jupyter
c.ServerApp.kernel_manager_class = FewKernels
c.ServerApp.log_level = "WARN"
c.ServerApp.terminals_enabled = False
c.FileContentsManager.delete_to_trash = False
# A kernel in which nothing has run for so long, and then a server without kernels. What was saved stays.
c.FewKernels.cull_idle_timeout = MINUTES * 60
c.FewKernels.cull_interval = 60
c.FewKernels.cull_connected = True
c.ServerApp.shutdown_no_activity_timeout = MINUTES * 60
