"""The build: lays out the page of this version in public/. The same sources give the same bytes."""

from pathlib import Path

here = Path(__file__).parent
version = (here / "version.txt").read_text().strip()
page = (here / "index.html").read_text().replace("@VERSION@", version)
public = here / "public"
public.mkdir(exist_ok=True)
(public / "index.html").write_text(page)
print(f"laid out public/index.html for version {version}", flush=True)
