"""BigQuery: jobs, tables, errors, costs."""
