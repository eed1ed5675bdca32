"""`make docs`: writes what is made of the code into the pages that hold it."""

from docs.generator.pages import find_stale


def main() -> None:
    for path, text in find_stale().items():
        path.write_text(text, "utf-8")
        print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
