"""Google's own SQL analyzer, in process.

The wheel `zetasql` holds GoogleSQL (formerly ZetaSQL), the SQL front end that BigQuery is built on,
compiled to WebAssembly. This package is the only place that imports it. `analyzer` is the way in;
`engine` runs the module, `language` says how BigQuery configures it, `tables` translates schemas.
"""
