"""Compile GoogleSQL for this machine, once: `python -m credix.local.bigquery.googlesql`."""

from credix.local.bigquery.googlesql.engine import Engine, module_file

if __name__ == "__main__":
    Engine()
    print(f"GoogleSQL is compiled: {module_file().name}")
