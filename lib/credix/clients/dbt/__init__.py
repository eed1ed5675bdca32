"""dbt, called in this process."""
