"""The documentation site (`make site`): what differs from the Markdown pages of the code host.

A hook of MkDocs. README.md is the first page, and the site has the other pages of the repository's root too.
Links to files that are not pages lead to the code host. One page is generated from the docstrings of
`iot_jitr`.
"""

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
FROM_ROOT = {"README.md": "index.md", "CHANGELOG.md": "CHANGELOG.md", "SECURITY.md": "SECURITY.md"}
"""Pages of the repository's root, and their names on the site."""
MERMAID = ROOT / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js"
REFERENCE = """# Python reference

All that `iot_jitr` exports, from its docstrings. [Options](configuration.md) has the same for `cdk.json`, and
[The construct](construct.md) shows how they go together.

::: iot_jitr
    options:
      show_root_heading: false
      show_root_toc_entry: false
"""
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_CODE = re.compile(r"^(`{3,}).*?^\1", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: "MkDocsConfig") -> Files:
    """Add the pages that are not in `docs/`."""
    for name, target in FROM_ROOT.items():
        files.append(File.generated(config, target, content=(ROOT / name).read_text(encoding="utf-8")))
    files.append(File.generated(config, "reference.md", content=REFERENCE))
    files.append(File.generated(config, "assets/mermaid.js", abs_src_path=str(MERMAID)))
    return files


def on_page_markdown(markdown: str, page: "Page", config: "MkDocsConfig", files: Files) -> str:
    """Change the links: links to pages lead to the site, links to other files lead to the code host."""
    at = "." if page.file.src_uri in FROM_ROOT.values() else "docs"

    def changed(match: re.Match[str]) -> str:
        before, target, after = match.groups()
        if "://" in target or target.startswith("mailto:") or page.file.src_uri == "reference.md":
            return match[0]
        return before + _on_site(posixpath.normpath(posixpath.join(at, target)), files, config) + after

    parts, end = [], 0
    for code in _CODE.finditer(markdown):
        parts += [_LINK.sub(changed, markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join(parts) + _LINK.sub(changed, markdown[end:])


def _on_site(path: str, files: Files, config: "MkDocsConfig") -> str:
    """The address of a file of the repository: a page of the site, or the code host."""
    if path in FROM_ROOT:
        return FROM_ROOT[path]
    inside = path.removeprefix("docs/")
    if path.startswith("docs/") and files.get_file_from_path(inside):
        return inside
    if path == "CONTRIBUTING.md":
        return "contributing.md"
    if not (ROOT / path).exists():
        return path  # MkDocs reports it
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{config.repo_url}/{kind}/main/{path}"
