"""Write the first cell of notebooks/00_start_here.ipynb: its cards have the titles and minutes of the chapters.

python scripts/door.py
"""

import json

from vmteach.lab.door import NOTEBOOKS, front_door


def main() -> None:
    path = NOTEBOOKS / "00_start_here.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][0]["source"] = front_door().splitlines(keepends=True)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
