"""Functions of the dashboard, called from Python."""

import json
import subprocess
from pathlib import Path
from typing import Any

_DASHBOARD = Path(__file__).parents[1] / "dashboard"
# The packages are found from the dashboard's folder, and so are the modules that the program imports.
_RUN = """
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
const [program, place] = process.argv.slice(1)
const { rolldown } = await import(createRequire(place).resolve('rolldown'))
const inMemory = { name: 'in-memory', resolveId: id => (id === place ? id : null), load: id => (id === place ? program : null) }
const bundle = await rolldown({ input: place, platform: 'node', plugins: [inMemory] })
const { output } = await bundle.generate({ format: 'esm' })
const made = await import('data:text/javascript;base64,' + Buffer.from(output[0].code).toString('base64'))
process.stdout.write(JSON.stringify(made.default(JSON.parse(readFileSync(0, 'utf8')))))
"""


def call(program: str, given: Any = None) -> Any:
    """What the default export of a TypeScript program makes of a JSON value; it stands in dashboard/src."""
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", _RUN, program, str(_DASHBOARD / "src" / "of-a-test.ts")],
        input=json.dumps(given), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
