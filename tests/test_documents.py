"""What the documents say: commands are typed into shells, and names are looked up."""

import ast
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main

from cli.main import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "catalog/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
SHELLS = {"bash": ("bash", "--norc", "-i"), "zsh": ("zsh", "-f", "-i")}
STUBBED = (
    *("make", "polybracket", "python", "nano", "git", "grep"),
    *(".venv/bin/polybracket", ".venv/bin/python"),
)
"""What is not run: each notes the words that it was given."""
_STUB = """#!{python}
import json, os, sys
with open(os.environ["SAID"], "a") as file:
    file.write(json.dumps([sys.argv[0].rpartition("/")[2], *sys.argv[1:]]) + "\\n")
"""
_END = "typed to its end"


class Block(NamedTuple):
    """A fenced block of a document."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


def blocks() -> Iterator[Block]:
    """Every fenced block."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
            yield Block(document, text.count("\n", 0, match.start()) + 1, match[1], match[2])


SHELL_BLOCKS = [block for block in blocks() if block.language == "sh"]


def typed(shell: str, block: str, folder: Path) -> list[list[str]]:
    """Type a block into an interactive shell; the words that each program was given."""
    for name in STUBBED:
        file = folder / name if "/" in name else folder / "bin" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_STUB.format(python=sys.executable))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    (folder / ".venv" / "bin" / "activate").write_text("true\n")
    said = folder / "said"
    said.touch()
    done = subprocess.run(
        SHELLS[shell],
        input=f"{block}\nwait\necho '{_END}'\nexit\n",
        cwd=folder,
        env={
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "SAID": str(said),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )
    assert _END in done.stdout, done.stderr
    wrong = r"not found|parse error|syntax error|no matches|unmatched|unexpected|not valid|bad "
    assert not re.search(wrong, done.stderr, re.I), done.stderr
    return sorted(json.loads(line) for line in said.read_text().splitlines())


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=str)
def test_every_block_can_be_typed(block: Block, shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    names = {name.rpartition("/")[2] for name in STUBBED}
    stated = [shlex.split(line) for line in _lines(block.text)]
    expected = [
        [words[0].rpartition("/")[2], *words[1:]]
        for words in stated
        if words[0].rpartition("/")[2] in names
    ]
    assert typed(shell, block.text, tmp_path) == sorted(expected)


def _lines(text: str) -> list[str]:
    """The commands of a block, without what the shell does with them."""
    lines, begun = [], ""
    for line in text.splitlines():
        begun = f"{begun}\n{line}" if begun else line
        if begun.count('"') % 2 == 0:
            lines.append(re.sub(r" (&|> \S+)$", "", begun))
            begun = ""
    return lines


def test_every_command_in_the_documents_is_understood() -> None:
    program = typer.main.get_command(app)
    wrong = []
    for block in SHELL_BLOCKS:
        for line in _lines(block.text):
            words = shlex.split(line)
            if not words[0].endswith("polybracket") or words[1].startswith("--"):
                continue
            command, arguments = program, words[1:]
            while hasattr(command, "commands") and arguments:
                command, arguments = command.get_command(None, arguments[0]), arguments[1:]
            try:
                command.make_context("polybracket", list(arguments))
            except Exception as e:
                wrong.append(f"{block}: {line}: {e}")
    assert not wrong


def test_every_command_and_option_is_in_the_documents() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    program = typer.main.get_command(app)
    commands = dict(program.commands)
    groups = {
        name: commands.pop(name) for name in list(commands) if hasattr(commands[name], "commands")
    }
    commands |= {f"{g} {name}": c for g in groups for name, c in groups[g].commands.items()}
    asked = [(name, name) for name in commands]
    asked += [
        (name, option)
        for name, command in commands.items()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    ]
    missing = [pair for pair in asked if not re.search(rf"(?<![\w-]){pair[1]}(?![\w-])", text)]
    assert not missing


def test_nothing_that_is_typed_has_a_comment_behind_it() -> None:
    assert SHELL_BLOCKS
    wrong = [f"{b}: {n}" for b in SHELL_BLOCKS for n in b.text.splitlines() if "#" in n or "!" in n]
    assert not wrong  # zsh takes a comment for words, and both take ! for an earlier command


def test_every_block_has_its_language() -> None:
    # Those in python and bash are whole programs, which a test of the interface runs.
    known = ("sh", "json", "toml", "mermaid", "text", "python", "bash")
    wrong = [str(b) for b in blocks() if b.language not in known]
    for document in DOCUMENTS:
        bare = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
        wrong += [document.name for _ in re.finditer(r"\n\n {4}\S", bare)]
    assert not wrong


def _names(file: Path) -> set[str]:
    """The functions, methods and classes that a module defines."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md", "README.md"])
def test_every_path_and_function_that_is_named_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", text) + re.findall(r"`(\w+\.py)`", text)
    made = ("state/", "catalog/", "logs/", "spool/")
    wrong = [p for p in named if not p.startswith(made) and not (ROOT / p).exists()]
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    wrong += [p for p in linked if not ((ROOT / name).parent / p).exists()]
    wrong += [
        f"{path}: {function}"
        for path, functions in re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", text)
        for function in re.findall(r"`([\w.]+)`", functions)
        if not set(function.split(".")) <= _names(ROOT / path)
    ]
    assert not wrong


def test_the_walks_are_lists_of_files_and_functions() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    walks = text[text.index("## The four walks") :].split("\n### ")[1:]
    assert len(walks) == 4
    for walk in walks:
        steps = re.findall(r"^\d+\. (.*)$", walk.partition("\n## ")[0], re.M)
        assert len(steps) >= 5
        assert all(re.match(r"`[\w/]+\.py`: `[\w.]+`", step) for step in steps), walk
