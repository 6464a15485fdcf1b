// Run pytest on the Python of Pyodide: node on_node.mjs TOOLS PROJECT ARGUMENT...
// TOOLS holds node_modules and, in site, the Python packages that are needed.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [tools, project, ...args] = process.argv.slice(2);
const found = createRequire(`${tools}/`).resolve("pyodide/pyodide.mjs");
const { loadPyodide } = await import(pathToFileURL(found));
// Hypothesis draws the same cases each time where it is told of CI.
const python = await loadPyodide({
  env: { HOME: "/home/pyodide", ...(process.env.CI && { CI: process.env.CI }) },
});
for (const [folder, root] of [["/tools", tools], ["/project", project]]) {
  python.FS.mkdirTree(folder);
  python.FS.mount(python.FS.filesystems.NODEFS, { root }, folder);
}
python.globals.set("args", python.toPy(args));
const code = python.runPython(`
import os, sys

sys.dont_write_bytecode = True
sys.path[:0] = ["/project/src", "/project", "/tools/site"]
os.chdir("/project")
print(f"Python {sys.version}")
import pytest

int(pytest.main(["-p", "no:cacheprovider", "-p", "tests.on_node", *args]))
`);
process.exit(code);
