-- The schema of the source tables. The tables themselves are made by the loader, from the contracts.
\set schema oltp
\getenv schema POSTGRES_SCHEMA
CREATE SCHEMA IF NOT EXISTS :"schema";
