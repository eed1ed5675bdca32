"""Compile GoogleSQL for this machine, once: `python -m credix_local.bigquery.googlesql`."""

from credix_local.bigquery.googlesql.installation import WHEELS, is_installed, module_file

if __name__ == "__main__":
    if is_installed():
        from credix_local.bigquery.googlesql.engine import Engine

        Engine()
        print(f"Google's SQL analyzer is compiled: {module_file().name}")
    else:
        print(f"{' and '.join(WHEELS)} are not installed: the local BigQuery will not judge.")
