"""The program."""

from better_paas.kit.tasks import serve
from better_paas.untrusted.tasks import TASKS

_MEMORY = 2**30

serve({task.name: task for task in TASKS}, _MEMORY)
