"""Every `distrnn …` command that a document shows is one that the command line takes."""

import re

import pytest

from command_lines import parse

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "infra/OPERATIONS.md")
COMMAND = re.compile(r"^(?: {4})?(?:\$ )?(?:\.venv/bin/)?(distrnn .*)$")


def commands(text):
    """The commands in the code blocks of a Markdown text, continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    fenced = False
    for line in lines:
        if line.startswith("```"):
            fenced = not fenced
        elif (fenced or line.startswith("    ")) and (match := COMMAND.match(line)):
            yield match[1]


def test_commands_are_found_in_code_blocks_only():
    text = "distrnn no\n\n    distrnn yes 1\n\n```\n$ distrnn yes 2 \\\n  --json\n```\n`distrnn no`\n"
    assert [re.sub(r" +", " ", command) for command in commands(text)] == ["distrnn yes 1", "distrnn yes 2 --json"]


@pytest.mark.parametrize("command", ["distrnn regsiter x", "distrnn pull", "distrnn pull x --fro numpy", "distrnn models lst"])
def test_command_that_does_not_exist_is_noticed(command):
    with pytest.raises(Exception, match=r"."):
        parse(command)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_a_document_parse(repo_root, document):
    for command in commands((repo_root / document).read_text(encoding="utf-8")):
        parse(command)


def test_commands_in_the_workflows_headers_parse(repo_root):
    for file in sorted((repo_root / "workflows").glob("*.yaml")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"#\s+(distrnn .*)$", line):
                parse(match[1])


def test_commands_in_the_comments_of_infra_parse(repo_root):
    found = 0
    for file in sorted((repo_root / "infra").rglob("*")):
        if file.suffix in (".yaml", ".yml", ".sh") or file.name == "Dockerfile":
            for line in file.read_text(encoding="utf-8").splitlines():
                if match := re.match(r" *#\s+(?:[A-Z_]+=\S+ )*(distrnn (?!-).*?)(?::.*)?$", line):
                    parse(match[1])
                    found += 1
    assert found
