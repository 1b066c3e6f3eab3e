"""Serve the pages: `python run.py dashboards`. It listens on this machine only, unless --Voila.ip says otherwise."""

import asyncio
import os
import tempfile
import time
from itertools import groupby
from pathlib import Path

import nbformat
import psutil
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError, authenticated
from traitlets import Integer, default
from traitlets.config import Config
from voila.app import Voila
from voila.handler import BaseVoilaHandler
from voila.tornado.handler import TornadoVoilaHandler

from .pages import pages

HERE = Path(__file__).resolve().parent
# Other extensions of JupyterLab have no use on a page, and some of them break there.
WIDGETS = ["anywidget", "@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8"]
KERNEL = 0.8e9  # bytes that one open page takes
MINUTES = 5  # after which the kernel of a page that nobody looks at any more is ended
PATIENCE = 10  # seconds that a page waits for a place: one that was left for it takes a moment to give back its own
STARTS = 3  # attempts to start a kernel
SILENCE = 120  # seconds after which a kernel that does not answer, or an output that does not come, is given up
FULL = "All {places} places are taken. Close a page that you do not need, or try again in {minutes} minutes"


class Index(BaseVoilaHandler):
    """The list of all pages."""

    @authenticated
    def get(self):
        lessons = [(lesson, list(some)) for lesson, some in groupby(self.settings["pages"], lambda page: page.lesson)]
        self.write(self.render_template("contents.html", lessons=lessons))


class Lab(TornadoVoilaHandler):
    """One page, with a kernel of its own."""

    @authenticated
    async def get(self, path=None):
        _ = self.xsrf_token  # makes the cookie with which the page, when it is left, may give its kernel back
        await super().get(path)


class FewKernels(AsyncMappingKernelManager):
    """Starts a kernel when there is a place for it. One kernel too many would end another one for want of memory."""

    def __init__(self, clock=time.monotonic, **kwargs):
        super().__init__(**kwargs)
        self.places, self.clock = 1, clock
        self.starting = asyncio.Lock()  # one start at a time: a kernel that is starting is not counted yet

    async def start_kernel(self, **kwargs):
        for _ in range(STARTS):
            kernel_id = await self._start_in_a_place(**kwargs)
            if await self._answers(kernel_id):
                return kernel_id
            await self.shutdown_kernel(kernel_id, now=True)
        raise HTTPError(503, reason="The kernel of this page did not start. Try again")

    async def _start_in_a_place(self, **kwargs):
        deadline = self.clock() + PATIENCE
        async with self.starting:
            while len(self) >= self.places:
                if self.clock() > deadline:
                    raise HTTPError(503, reason=FULL.format(places=self.places, minutes=MINUTES))
                await asyncio.sleep(0.1)
            return await super().start_kernel(**kwargs)

    async def _answers(self, kernel_id):
        """Whether a kernel lives and answers.

        Voilà's page waits forever for one that has died while it started, as a kernel does when another program has taken one of
        its ports between their choice and their use.
        """
        client = self.get_kernel(kernel_id).client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=SILENCE)
            return True
        except RuntimeError:
            return False
        finally:
            client.stop_channels()


def settings():
    """What Voilà does otherwise on these pages, unless the command line says something else."""
    return Config(
        Voila={"ip": "127.0.0.1"},
        VoilaConfiguration={
            "template": "dashboards",
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
            "extension_allowlist": WIDGETS,
            "multi_kernel_manager_class": FewKernels,
        },
        MappingKernelManager={"cull_idle_timeout": MINUTES * 60, "cull_interval": 60},
        KernelManager={"autorestart": False},  # a kernel that was restarted has no lab
        # By default an output that comes four seconds after its cell has ended is lost, and with it the lab.
        VoilaExecutor={"iopub_timeout": SILENCE},
    )


class Dashboards(Voila):
    """Voilà with a list of the pages, and with no more kernels than the memory bears."""

    places = Integer(help="How many pages can be open at once; by default what the memory bears.").tag(config=True)
    aliases = {**Voila.aliases, "places": "Dashboards.places"}  # noqa: RUF012 - a class attribute in traitlets

    @default("places")
    def _places(self):
        return max(1, int(psutil.virtual_memory().available / KERNEL))

    def initialize(self, argv=None):
        self.update_config(settings())
        super().initialize(argv)

    def init_handlers(self):
        self.kernel_manager.places = self.places
        self.app.settings.update(pages=self.pages)
        voila = {"voila_configuration": self.voila_configuration}
        page = {"template_paths": self.template_paths, "config": self.config, **voila}
        return [
            (self.server_url, Index, voila),
            (url_path_join(self.server_url, "voila/tree.*"), Index, voila),
            (url_path_join(self.server_url, "voila/render/(.*)"), Lab, page),
            *super().init_handlers(),
        ]


def main(arguments=None):
    # Voilà finds templates next to those of Jupyter; kernels find the helpers.
    for name, folder in (("JUPYTER_PATH", HERE), ("PYTHONPATH", HERE.parent)):
        os.environ[name] = os.pathsep.join(filter(None, [str(folder), os.environ.get(name)]))
    with tempfile.TemporaryDirectory() as folder:
        app = Dashboards(root_dir=folder)
        app.pages = pages()
        for before, page, after in zip([None, *app.pages], app.pages, [*app.pages[1:], None], strict=False):
            nbformat.write(page.notebook(before, after), Path(folder) / f"{page.name}.ipynb")
        app.initialize(arguments)
        app.start()


if __name__ == "__main__":
    main()
